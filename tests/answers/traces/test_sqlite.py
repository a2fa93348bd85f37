"""The printed statement, run by SQLite, gives DuckDB's answers, as every dialect's must."""

import sqlite3
from fractions import Fraction
from pathlib import Path

import pytest

import kvcalc
from kvcalc.answers.traces.request_bytes import request_bytes
from kvcalc.answers.traces.rules import rules
from kvcalc.answers.traces.statement import statement
from kvcalc.readers.traces.service import Service
from kvcalc.readers.traces.table import connect, load

KEXAONE = kvcalc.load("k-exaone-236b-a23b")
SUMS = [
    rule
    for engine in ("ideal", "vllm")
    for window in (4096, 128)
    for rule in rules(KEXAONE.with_window(window), engine, {})
    if rule.of == "tokens"
]


@pytest.mark.parametrize("name", ["azure_code.csv", "azure_conv.csv", "mooncake.jsonl"])
def test_sqlite_gives_the_same_answers(name: str) -> None:
    base = connect()
    load(
        base,
        [Path("tests/oracles/traces") / name],
        service=Service(Fraction(8000), Fraction(100, 3)),
    )
    other = sqlite3.connect(":memory:")
    other.execute("CREATE TABLE trace(t0 INTEGER, t1 INTEGER, tokens INTEGER)")
    requests = base.execute("SELECT t0, t1, tokens FROM trace").fetchall()
    other.executemany("INSERT INTO trace VALUES (?, ?, ?)", requests)
    query = statement([request_bytes(rule, dialect="sqlite") for rule in SUMS], dialect="sqlite")
    expected = base.execute(statement([request_bytes(rule) for rule in SUMS])).fetchall()
    assert len(expected) == len(SUMS)
    assert other.execute(query).fetchall() == expected
