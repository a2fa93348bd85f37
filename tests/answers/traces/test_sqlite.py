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
def test_sqlite_gives_the_same_answers_for_any_type_of_number(name: str) -> None:
    base = connect()
    load(
        base,
        [Path("tests/oracles/traces") / name],
        service=Service(Fraction(8000), Fraction(100, 3)),
    )
    requests = base.execute("SELECT t0, t1, tokens FROM trace").fetchall()
    query = statement([request_bytes(rule, dialect="sqlite") for rule in SUMS], dialect="sqlite")
    expected = base.execute(statement([request_bytes(rule) for rule in SUMS])).fetchall()
    assert len(expected) == len(SUMS)
    for kind in ("INTEGER", "TEXT", "REAL", "NUMERIC"):
        other = sqlite3.connect(":memory:")
        other.execute(f"CREATE TABLE trace(t0 {kind}, t1 {kind}, tokens {kind})")
        other.executemany("INSERT INTO trace VALUES (?, ?, ?)", requests)
        assert other.execute(query).fetchall() == expected, kind


def test_duckdb_gives_the_same_answers_for_any_type_of_number() -> None:
    base = connect()
    load(
        base,
        ["tests/oracles/traces/azure_code.csv"],
        service=Service(Fraction(8000), Fraction(100)),
    )
    query = statement([request_bytes(rule) for rule in SUMS])
    expected = base.execute(query).fetchall()
    base.execute("ALTER VIEW trace RENAME TO integers")
    for kind in ("INTEGER", "DOUBLE", "DECIMAL(18, 0)", "DECIMAL(20, 3)", "VARCHAR"):
        columns = ", ".join(f"{one}::{kind} AS {one}" for one in ("t0", "t1", "tokens"))
        base.execute(f"CREATE TABLE trace AS SELECT {columns} FROM integers")
        assert base.execute(query).fetchall() == expected, kind
        base.execute("DROP TABLE trace")
