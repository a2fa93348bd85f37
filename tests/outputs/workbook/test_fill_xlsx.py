"""A plan's rows in a workbook, each answer a formula on its own row."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from kvcalc.answers.fill.added import Adding, adder
from kvcalc.answers.fill.columns import ADDED, places
from kvcalc.answers.fill.rows import Filled, filler
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.outputs.workbook import fill_xlsx
from tests.outputs.workbook.office import Office, Typed, cached

HEADER = ["team", "model", "engine", "context", "sequences", "window", "price"]
ROWS = [
    ["a", "k-exaone-236b-a23b", "vllm", "262144", "16", "4096", "1.5"],
    ["=b+1", "llama-3.1-8b", "", "8K", "", "", "007"],
    ["+c", "gpt-oss-20b", "llama.cpp", "131072", "3", "", "-5"],
    ["@d", "nope", "ideal", "5", "", "", ""],
    ["e", "k-exaone-236b-a23b", "", "262144", "8K", "128", "1.50"],
    ["f", "llama-3.1-8b", "", "1000000", "1000000000", "", ""],
]


def written(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[Any]]:
    """Write rows with their answers; the sheet's formulas and texts come back."""
    columns = places(header, {})
    answer = filler(len(header), columns)
    fill_xlsx.write_xlsx(path, header, [(row, answer(row)) for row in rows], columns)
    sheet = openpyxl.load_workbook(path)["Filled"]
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def test_an_amount_is_its_cell_however_it_was_typed(tmp_path: Path) -> None:
    sheet = written(tmp_path / "filled.xlsx", HEADER, ROWS)
    assert sheet[0] == [*HEADER, "bytes", "bytes_per_gpu", "error", "engine_version"]
    assert sheet[1][7] == (
        "=((INT((MIN(F2 + 16383, D2) + 15)/16) + 1)*3 + INT((D2 + 15)/16))*786432*E2"
    )
    assert (
        sheet[3][7]
        == "=(12*MIN(INT((D4 + 255)/256)*256, 768) + 12*INT((D4 + 255)/256)*256)*2048*E4"
    )
    assert sheet[5][7] == "=(12*D6 + 36*MIN(D6, F6))*4096*E6"
    assert sheet[2][7:] == ["=131072*D3", "=131072*D3", None, "-"]
    assert (sheet[2][3], sheet[5][4]) == (8_192, 8_192)


def test_gib_is_a_formula_on_the_bytes_beside_it(tmp_path: Path) -> None:
    columns = places(HEADER, {}, ADDED)
    answer, add = filler(len(HEADER), columns), adder(Adding(ADDED, "h200"))
    rows = [(row, add(answer(row))) for row in ROWS[:4]]
    fill_xlsx.write_xlsx(tmp_path / "filled.xlsx", HEADER, rows, columns, ADDED)
    sheet = openpyxl.load_workbook(tmp_path / "filled.xlsx")["Filled"]
    header, first, _, _, bad = sheet.iter_rows(values_only=True)
    assert header[-3:] == ADDED
    assert first[-3:] == ("=H2/2^30", "yes", int(rows[0][1].added[2]))
    assert bad[-3:] == (None, None, None)


def test_what_is_no_plain_number_stays_as_it_was_typed(tmp_path: Path) -> None:
    sheet = written(tmp_path / "filled.xlsx", HEADER, ROWS)
    assert [row[0] for row in sheet[1:]] == ["a", "=b+1", "+c", "@d", "e", "f"]
    assert [row[6] for row in sheet[1:]] == [1.5, "007", -5, None, "1.50", None]
    book = openpyxl.load_workbook(tmp_path / "filled.xlsx")
    assert {book["Filled"][f"A{row}"].data_type for row in range(2, 8)} == {"s"}


def test_a_refusal_is_its_reason(tmp_path: Path) -> None:
    sheet = written(tmp_path / "filled.xlsx", HEADER, ROWS)
    assert sheet[4][7:] == [
        None,
        None,
        "model 'nope' is unknown; `kvcalc models` lists the presets",
        None,
    ]


def test_what_a_double_cannot_hold_is_a_text(tmp_path: Path) -> None:
    sheet = written(tmp_path / "filled.xlsx", HEADER, ROWS)
    assert sheet[6][7] == str(131_072 * 1_000_000 * 1_000_000_000)


def test_recalculated_it_gives_what_it_was_written_with_and_answers_another_context(
    office: Office, tmp_path: Path
) -> None:
    """Of 256K typed over by 131,072 half is left."""
    path, other = tmp_path / "filled.xlsx", tmp_path / "other.xlsx"
    written(path, HEADER, ROWS)
    written(other, ["model", "context"], [["llama-3.1-8b", "256K"]])
    typed: list[dict[str, Any]] = [{}, {"Filled!B2": 131_072}]
    asked = [Typed(path, ["Filled!"]), Typed(other, ["Filled!"], typed)]
    (after,), (same, half) = office.recalculated(asked)
    before = cached(path)["Filled"]
    for row in (2, 4, 6):
        assert before[row, 8] == after["Filled"][row, 8]
    assert same["Filled"][2, 3] == 262_144 * 131_072
    assert half["Filled"][2, 3] == 131_072 * 131_072


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(KvcalcError, match=r"pip install 'kvcalc\[xlsx\]'"):
        written(tmp_path / "filled.xlsx", HEADER, ROWS)


def test_more_rows_than_a_spreadsheet_takes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_xlsx, "MAX_ROWS", 3)
    with pytest.raises(KvcalcError, match="found more than 2 rows"):
        written(tmp_path / "filled.xlsx", HEADER, ROWS)


def test_more_columns_or_a_longer_text_than_a_spreadsheet_takes_are_refused(
    tmp_path: Path,
) -> None:
    wide = ["model", "context", *map(str, range(16_380))]
    with pytest.raises(KvcalcError, match="found 16,382 columns, expected at most 16,381"):
        fill_xlsx.write_xlsx(tmp_path / "wide.xlsx", wide, [], places(wide, {}))
    long = ["llama-3.1-8b", "5", "x" * 32_768]
    with pytest.raises(KvcalcError, match="row 2: found a text of 32,768 characters"):
        written(tmp_path / "long.xlsx", ["model", "context", "note"], [long])


def test_a_row_of_another_width_is_cut_to_the_header_s(tmp_path: Path) -> None:
    why = RequestError("found 3 cells, expected 2", field="cells")
    rows = [(["llama-3.1-8b", "5", "6"], Filled(error=why))]
    header = ["model", "context"]
    fill_xlsx.write_xlsx(tmp_path / "filled.xlsx", header, rows, places(header, {}))
    sheet = openpyxl.load_workbook(tmp_path / "filled.xlsx")["Filled"]
    assert [cell.value for cell in sheet[2]] == [
        *("llama-3.1-8b", 5, None, None, "found 3 cells, expected 2"),
    ]
