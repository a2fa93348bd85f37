"""Answers of several records, as notebooks and DataFrames take them."""

from typing import Any
from xml.etree import ElementTree

import numpy
import pandas
import polars
import pytest

import kvcalc
from kvcalc.records import Records
from tests.each import each

EXAONE = kvcalc.load("k-exaone-236b-a23b")
TABLES: dict[str, Records[Any]] = {
    "sweep": kvcalc.sweep(EXAONE, engine="vllm", tensor_parallel_size=2),
    "compare": kvcalc.compare(EXAONE, window=[4096, 128]),
    "models": kvcalc.models(),
    "gpus": kvcalc.gpus(),
    "engines": kvcalc.list_engines(),
}


@pytest.mark.parametrize("name", TABLES)
def test_dataframes_take_an_answer_as_it_is(name: str) -> None:
    rows = TABLES[name]
    for frame in (pandas.DataFrame(rows), polars.DataFrame(rows, infer_schema_length=None)):
        assert len(frame) == len(rows)
        for field in ("bytes", "memory_bytes"):
            if field in frame.columns:
                assert [n for n in frame[field] if n == n and n is not None] == [
                    getattr(row, field) for row in rows if getattr(row, field) is not None
                ]


@pytest.mark.parametrize("name", TABLES)
def test_a_notebook_shows_a_row_each_and_what_they_share_once(name: str) -> None:
    page = ElementTree.fromstring(TABLES[name]._repr_html_())
    columns = [cell.text or "" for cell in page.iter("th")]
    assert len(page.findall("./tbody/tr")) == len(TABLES[name])
    caption = page.findtext("caption") or ""
    for field in vars(TABLES[name][0]):
        values = [getattr(row, field) for row in TABLES[name]]
        if isinstance(values[0], list | tuple):  # as many parts in each
            continue
        if all(value == values[0] for value in values):
            assert field not in columns
            assert values[0] in (None, "", {}) or f"{field} " in caption
        else:
            assert field in columns


def test_an_empty_table_and_a_trace_are_shown_too() -> None:
    assert "<table>" in Records()._repr_html_()
    traced = kvcalc.trace(
        EXAONE, "tests/oracles/traces/azure_code.csv", prefill_rate=8_000, decode_rate=40
    )
    assert f"{traced.rows[0].peak_bytes:,}" in traced._repr_html_()


def test_what_a_file_says_is_no_markup_of_a_table() -> None:
    named = kvcalc.Model(name="<b>bold</b>", layers=EXAONE.layers, max_context=8_192)
    assert "<b>" not in kvcalc.sweep(named)._repr_html_()


COST = kvcalc.cost(EXAONE)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_contexts_gives_a_list(kind: Any) -> None:
    contexts = [1, 8_192, 10**30]
    assert COST(kind(contexts)) == [COST(context) for context in contexts]
    assert COST(kind(contexts), sequences=kind([1, 2, 3]), window=7) == [
        COST(context, sequences=count, window=7) for count, context in enumerate(contexts, 1)
    ]
    assert COST(kind([8_192.0, numpy.int64(5)])) == [COST(8_192), COST(5)]


@pytest.mark.parametrize(
    "column", [numpy.array, pandas.Series, polars.Series], ids=["numpy", "pandas", "polars"]
)
def test_a_column_of_whole_floats_is_a_column_of_contexts(column: Any) -> None:
    contexts = [1.0, 8_192.0, 2.0**40]
    exact = [COST(int(context)) for context in contexts]
    assert [int(one) for one in COST(column(contexts))] == exact
    rows = kvcalc.sweep(EXAONE, context=column(contexts[:2]), window=128)
    assert [row.bytes for row in rows] == exact[:2]


@each(
    ("contexts", "sentence"),
    [
        ([8_192, 1.5], "context: found 1.5, expected a positive int"),
        ([8_192, True], "context: found True, expected a positive int"),
        (["8K"], "context: found '8K', expected a positive int"),
        (numpy.array([1.0, 2.5]), r"context: found 2.5 in an array of float64, expected whole"),
        (numpy.array([2.0**54]), "context: found 1.8014398509481984e"),
        (numpy.array([numpy.inf]), "context: found inf in an array of float64"),
        (numpy.array([-1.0]), "context: found -1, expected positive ints"),
    ],
    ids=str,
)
def test_what_is_no_whole_number_is_refused(contexts: Any, sentence: str) -> None:
    with pytest.raises(kvcalc.RequestError, match=sentence):
        COST(contexts)


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(kvcalc.RequestError, match="lists: found context of 2, sequences of 1"):
        COST([1, 2], sequences=[1])
