"""JSON, CSV and Markdown: the same answer for programs and documents."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.outputs.page import Page
from kvcalc.outputs.table import to_csv, to_json, to_markdown

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20)


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_csv_is_that_of_rfc_4180() -> None:
    rows = [{"a": "plain", "b": 'with "quotes"'}, {"a": "with, comma", "b": "with\nline"}]
    assert to_csv(rows) == ('a,b\r\nplain,"with ""quotes"""\r\n"with, comma","with\nline"\r\n')


def test_no_rows_are_no_text() -> None:
    assert to_csv([]) == ""


@given(st.lists(st.tuples(cells, st.integers()), min_size=1))
def test_csv_reads_back_with_every_integer_whole(rows: list[tuple[str, int]]) -> None:
    head, *read = parsed(to_csv({"name": name, "bytes": size} for name, size in rows))
    assert head == ["name", "bytes"]
    assert [int(size) for _, size in read] == [size for _, size in rows]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_text_that_a_spreadsheet_would_run_is_written_as_text(start: str) -> None:
    _, (name, amount) = parsed(to_csv([{"name": f"{start}1+1", "bytes": 7}]))
    assert (name, amount) == (f"'{start}1+1", "7")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a\x1b[31m\a\rb", r"a\x1b[31m\x07\rb"),
        ("\t=1+1", r"\t=1+1"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("two\nlines", "two\nlines"),
        ("K-EXAONE 한국어", "K-EXAONE 한국어"),
    ],
)
def test_control_codes_are_shown_and_not_obeyed(name: str, written: str) -> None:
    _, (alone, pair) = parsed(to_csv([{"name": name, "settings": {"model": name}}]))
    assert (alone, pair) == (written, f"model={written}")


def test_a_negative_number_is_no_text_and_stays_a_number() -> None:
    assert parsed(to_csv([{"bytes": -7}]))[1] == ["-7"]


def test_settings_are_pairs_in_one_cell() -> None:
    row = {"settings": {"tensor_parallel_size": 8, "block_size": 16}, "none": None}
    assert parsed(to_csv([row]))[1] == ["tensor_parallel_size=8 block_size=16", ""]


@given(st.dictionaries(cells, st.integers() | cells | st.none()))
def test_json_reads_back_as_it_was(answer: dict[str, Any]) -> None:
    assert json.loads(to_json(answer)) == answer
    assert to_json(answer).endswith("\n")


def test_markdown_sets_words_left_and_amounts_right() -> None:
    page = Page("Title", ("layers", "bytes"), (("full", "7\n(7 B)"),), 1, ("a note",))
    assert to_markdown(page).splitlines() == [
        "**Title**",
        "",
        "| layers | bytes |",
        "| --- | ---: |",
        "| full | 7 (7 B) |",
        "",
        "a note",
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a|b", "a\\|b"),
        ("[link](x)", "\\[link](x)"),
        ("<script>", "\\<script>"),
        ("`code` *bold* _it_", "\\`code\\` \\*bold\\* \\_it\\_"),
        ("back\\slash", "back\\\\slash"),
        ("~~gone~~", "\\~\\~gone\\~\\~"),
        ("@octocat, a@b.example", "\\@octocat, a\\@b.example"),
        ("https://a.example www.b.example", "https\\://a.example www\\.b.example"),
    ],
)
def test_text_is_never_markdown(text: str, written: str) -> None:
    page = Page(text, ("name",), ((text,),), 1, (text,))
    title, _, _, _, row, _, note = to_markdown(page).splitlines()
    assert (title, row, note) == (f"**{written}**", f"| {written} |", written)
