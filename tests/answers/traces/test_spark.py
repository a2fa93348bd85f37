"""The printed statement, run by Spark over a table of the same requests, gives the same answers."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.answers.traces import trace
from kvcalc.answers.traces.request_bytes import RequestBytes, request_bytes
from kvcalc.answers.traces.rules import rules
from kvcalc.answers.traces.statement import statement
from kvcalc.readers.traces.service import Service
from kvcalc.readers.traces.table import connect, load
from tests.answers.traces.by_hand import Request, sweep

pytestmark = pytest.mark.spark

TRACES = Path("tests/oracles/traces")
KEXAONE = kvcalc.load("k-exaone-236b-a23b")
RATES: dict[str, Any] = {"prefill_rate": 8000, "decode_rate": "100/3"}


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def requests(spark: Any, rows: list[tuple[int, ...]]) -> None:
    table = spark.createDataFrame(rows, "t0 BIGINT, t1 BIGINT, tokens BIGINT")
    table.createOrReplaceTempView("trace")


@pytest.mark.parametrize("name", ["azure_code.csv", "azure_conv.csv", "mooncake.jsonl"])
def test_spark_gives_the_same_answers(spark: Any, name: str) -> None:
    found = trace(KEXAONE, TRACES / name, engine=["ideal", "vllm"], window=[4096, 128], **RATES)
    base = connect()
    load(base, [TRACES / name], service=Service(Fraction(8000), Fraction(100, 3)))
    requests(spark, base.execute("SELECT t0, t1, tokens FROM trace").fetchall())
    sums = [
        (rule, row)
        for row, rule in zip(
            found.rows,
            (
                rule
                for engine in ("ideal", "vllm")
                for window in (4096, 128)
                for rule in rules(KEXAONE.with_window(window), engine, {})
            ),
            strict=True,
        )
        if rule.of == "tokens"
    ]
    query = statement([request_bytes(rule, dialect="spark") for rule, _ in sums], dialect="spark")
    answers = [tuple(row)[1:] for row in spark.sql(query).collect()]
    assert answers == [
        (
            row.peak_bytes - rule.fixed,
            row.peak_at,
            row.peak_sequences,
            row.p50_bytes - rule.fixed,
            row.p95_bytes - rule.fixed,
            row.p99_bytes - rule.fixed,
            row.mean_bytes - rule.fixed,
        )
        for rule, row in sums
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 5, 3)],
        [(0, 5, 3), (0, 5, 3), (5, 9, 1)],
        [(0, 0, 3), (2, 4, 0), (2, 3, 7), (10**12, 10**12 + 1, 5)],
    ],
)
def test_ties_and_gaps_are_summed_by_spark_too(spark: Any, rows: list[tuple[int, ...]]) -> None:
    requests(spark, rows)
    query = statement([RequestBytes("tokens")], dialect="spark")
    by_hand = sweep([Request(t0, t1, tokens, 0) for t0, t1, tokens in rows], lambda one: one.prompt)
    assert tuple(spark.sql(query).collect()[0])[1:] == tuple(by_hand)
