"""A planner's workbook as it is written: its sheets, names, lists, locks and texts."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
from openpyxl.utils import range_boundaries

import kvcalc
from kvcalc.answers.workbook import Workbook, workbook
from kvcalc.answers.workbook.combinations import Combination
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.layers import layer
from kvcalc.model import Model
from kvcalc.outputs.workbook.contents import sheets
from kvcalc.outputs.workbook.writer import write_xlsx
from kvcalc.outputs.workbook.xlsx import new_workbook
from kvcalc.readers import read
from kvcalc.readers.reading import Reading
from tests.outputs.workbook.office import Cells, cached, coordinate, formulas, place

SHEETS = ["Plan", "Workload", "Sweep", "Formulas", "Start", "Models", "Engines", "GPUs", "Checks"]
NAMES = {
    *("context", "sequences", "window", "model", "engine", "kv_cache_dtype"),
    *("tensor_parallel_size", "max_num_batched_tokens", "ubatch_size"),
    *("total_bytes", "bytes_per_gpu", "total_gib"),
    *("gpu", "gpus", "weights_bytes", "memory_share", "reserve_bytes", "spare_gpus"),
    *("price_hour", "requests_per_second", "seconds_per_request", "peak_factor"),
    *("cache_budget", "max_sequences", "gpus_needed", "cost_month"),
    *("likely_budget", "likely_sequences", "max_num_seqs"),
}
FUNCTIONS = {
    *("IF", "IFERROR", "AND", "ISNUMBER", "INDEX", "MATCH", "COUNTIF", "SUM", "SUMIF"),
    *("MIN", "MAX", "INT", "MOD", "ROUND", "SUBSTITUTE"),
}
"""All are of Excel 2010 or before."""

ROWS = "MIN(max_num_seqs, max_num_batched_tokens)"
"""Sequences whose logits are sampled."""

MODELS = ("k-exaone-236b-a23b", "gpt-oss-20b", "llama-3.1-8b")


def book_of(readings: Sequence[tuple[str, Reading]], **asked: Any) -> Workbook:
    return workbook(readings, command="kvcalc sheet a b", version="1.2", date="2026-01-01", **asked)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("workbook") / "plan.xlsx"
    write_xlsx(found, *sheets(book_of([(name, read(name)) for name in MODELS])))
    return found


@pytest.fixture(scope="module")
def book(path: Path) -> Any:
    return openpyxl.load_workbook(path)


def test_start_has_what_a_start_takes_beside_the_weights(book: Any) -> None:
    """On vLLM of each sequence whose logits are sampled, 33 bits of each of 153,600 words."""
    heads, *rows = book["Start"].iter_rows(min_row=4, values_only=True)
    found = [dict(zip(heads, row, strict=True)) for row in rows]
    of_h200 = [one for one in found if one["compute_capability"] == "h200, 9.0"]
    first = next(
        one["start"]
        for one in of_h200
        if (one["engine"], one["tensor_parallel_size"]) == ("vllm", 8)
    )
    (loaded,) = [one for one in found if one["start"] == first and not one["beside"]]
    assert (loaded["part"], loaded["at_once"]) == ("weights", "=max_num_seqs")
    parts = {one["part"]: one for one in found if one["beside"] == first}
    assert {"rounding of weights", "penalty tables", "outside of PyTorch"} <= set(parts)
    assert parts["penalty tables"]["bytes"] == f"={153_600 // 8 * 33}*{ROWS}"


@pytest.fixture(scope="module")
def values(path: Path) -> Cells:
    return cached(path)


def named(book: Any, values: Cells, name: str) -> Any:
    sheet, cell = place(book, name)
    return values[sheet].get(coordinate(cell))


def test_it_has_its_sheets_in_order(book: Any) -> None:
    assert book.sheetnames == SHEETS


def test_every_name_is_one_cell(book: Any) -> None:
    assert set(book.defined_names) > NAMES
    for name in book.defined_names.values():
        assert re.fullmatch(r"(Plan|Workload)!\$[A-Z]\$[0-9]+", name.attr_text), name.name


@pytest.mark.parametrize("engine", ["ideal", "vllm", "llama.cpp", "sglang"])
def test_as_written_it_holds_the_library_s_answer(tmp_path: Path, engine: str) -> None:
    model = kvcalc.load("k-exaone-236b-a23b")
    asked = book_of([("k-exaone-236b-a23b", read("k-exaone-236b-a23b"))], among=[engine])
    write_xlsx(tmp_path / "plan.xlsx", *sheets(asked))
    path = tmp_path / "plan.xlsx"
    book, values = openpyxl.load_workbook(path, read_only=True), cached(path)
    read_back = {name: named(book, values, name) for name in ("context", "sequences", "window")}
    assert read_back == {"context": 262_144, "sequences": 1, "window": 128}
    cost = kvcalc.cost(model, engine=engine)
    # The first of the ranks asked for is 1, and the first element type the model's own.
    assert named(book, values, "total_bytes") == cost(**read_back)
    assert named(book, values, "bytes_per_gpu") == cost.per_gpu(**read_back)


def test_every_formula_cell_has_a_value(path: Path, values: Cells) -> None:
    for sheet, cells in formulas(path).items():
        empty = [cell for cell in cells if cell not in values[sheet]]
        # An empty text is a value, which is read as no cell.
        assert all(sheet in ("Plan", "Workload") for _ in empty), (sheet, empty)


def test_formulas_use_functions_that_every_spreadsheet_has(path: Path) -> None:
    for cells in formulas(path).values():
        for text in map(str, cells.values()):
            outside = re.sub(r'"[^"]*"', "", text)
            assert set(re.findall(r"([A-Z][A-Z0-9.]*)\(", outside)) <= FUNCTIONS, text
            assert "@" not in outside
            # Engines know few names of columns, and some cut a negative number towards zero.
            assert "[" not in outside
            assert "INT(-" not in outside


def test_a_row_that_is_added_gets_its_column_s_formula(book: Any) -> None:
    """By the names of columns there; Excel marks no cell that has it in other words."""
    columns = {
        (sheet, column.name): column.calculatedColumnFormula.attr_text
        for sheet in ("Models", "GPUs")
        for table in book[sheet].tables.values()
        for column in table.tableColumns
        if column.calculatedColumnFormula
    }
    assert columns["GPUs", "usable_bytes"] == (
        "IF(ISNUMBER(gpu_catalogue[[#This Row],[framework_visible_bytes]]),"
        "gpu_catalogue[[#This Row],[framework_visible_bytes]],"
        "gpu_catalogue[[#This Row],[memory_bytes]])"
    )
    assert len(columns) == 3
    assert book["GPUs"]["F7"].value == "=IF(ISNUMBER(E7),E7,D7)"


def test_an_empty_result_is_typed_as_text(path: Path) -> None:
    """SheetJS drops a formula whose result has neither a type nor a value."""
    with ZipFile(path) as archive:
        sheets = [archive.read(f"xl/worksheets/sheet{number}.xml") for number in (1, 2)]
    empty = [one for text in sheets for one in re.findall(rb"<c [^>]*><f>[^<]*</f><v></v>", text)]
    assert empty
    assert all(b't="str"' in one for one in empty)


def test_the_lists_are_ranges(book: Any) -> None:
    rules = {
        str(rule.sqref): rule.formula1
        for rule in book["Plan"].data_validations.dataValidation
        if rule.type == "list"
    }
    listed = ("model", "engine", "kv_cache_dtype", "tensor_parallel_size", "gpu")
    assert set(rules) == {place(book, name)[1] for name in listed}
    for source in rules.values():
        assert re.fullmatch(r"(Models|Engines|GPUs)!\$[A-Z]\$5:\$[A-Z]\$[0-9]+", source)


def test_numbers_are_bounded(book: Any) -> None:
    bounded = {
        str(rule.sqref): rule.type
        for rule in book["Plan"].data_validations.dataValidation
        if rule.type != "list"
    }
    for name in ("context", "sequences", "window", "max_num_batched_tokens", "ubatch_size"):
        assert bounded[place(book, name)[1]] == "whole"


def test_what_people_type_into_is_unlocked_and_formulas_are_not(book: Any) -> None:
    for name in ("model", "context", "window", "price_hour"):
        sheet, cell = place(book, name)
        assert not book[sheet][cell].protection.locked
    for name in ("total_bytes", "cost_month"):
        sheet, cell = place(book, name)
        assert book[sheet][cell].protection.locked
        assert book[sheet][cell].comment is not None
    for sheet in ("Plan", "Workload", "Sweep", "Formulas", "Checks"):
        assert book[sheet].protection.sheet
        assert book[sheet].protection.password is None
        assert book[sheet].freeze_panes is not None


def test_tables_can_grow(book: Any) -> None:
    tables = {"Models": "models", "Engines": "engines", "GPUs": "gpu_catalogue"}
    for sheet, table in tables.items():
        assert list(book[sheet].tables) == [table]
        assert not book[sheet].protection.sheet


def test_sweep_says_which_row_it_follows_and_draws_two_charts(path: Path, book: Any) -> None:
    assert "follows its own cells and not Plan's lists" in book["Sweep"]["A2"].value
    with ZipFile(path) as archive:
        assert sum(name.startswith("xl/charts/chart") for name in archive.namelist()) == 2
        assert not [name for name in archive.namelist() if "external" in name or "vba" in name]


def test_every_sheet_prints_its_cells_on_pages_that_can_be_read(book: Any) -> None:
    for sheet in book:
        wide = sum(column.width for column in [*sheet.column_dimensions.values()])
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert wide / (sheet.page_setup.fitToWidth or 1) <= 245  # each has a margin of its own
        assert sheet.page_setup.fitToHeight == 0
        left, top, right, bottom = range_boundaries(sheet.print_area.partition("!")[2])
        assert (left, top) == (1, 1)
        assert (right, bottom) >= (sheet.max_column, sheet.max_row)
        for chart in sheet._charts:
            end = chart.anchor.to
            assert end.col < right or (end.col == right and end.colOff == 0)
            assert end.row <= bottom
        assert sheet.print_title_rows is not None


def test_the_axis_of_contexts_is_of_numbers(path: Path) -> None:
    with ZipFile(path) as archive:
        drawn = archive.read("xl/charts/chart2.xml")
    assert b"<c:scatterChart>" in drawn
    assert b"<c:catAx>" not in drawn


def test_a_text_beside_a_number_does_not_touch_it(book: Any) -> None:
    for sheet in book:
        for row in sheet.iter_rows():
            for number, text in pairwise(row):
                if number.alignment.horizontal == "right" and text.font.i and text.value:
                    assert text.alignment.indent or text.alignment.horizontal == "right", text


def test_a_refusal_is_the_row_s_cell(values: Cells) -> None:
    rows = [row for (row, column), value in values["Formulas"].items() if value == "llama.cpp"]
    sentences = {values["Formulas"].get((row, 6)) for row in rows}
    expected = "tensor_parallel_size: found 8, expected 1: llama.cpp deals whole layers to devices"
    assert any(str(text).startswith(expected) for text in sentences)


def test_a_text_is_never_a_formula(tmp_path: Path) -> None:
    reading = read("llama-3.1-8b")
    fields = {name: getattr(reading.model, name) for name in type(reading.model).model_fields}
    hostile = type(reading.model)(**{**fields, "name": '=HYPERLINK("http://x")'})
    asked = book_of([("=1+1", replace(reading, model=hostile))])
    write_xlsx(tmp_path / "plan.xlsx", *sheets(asked))
    book = openpyxl.load_workbook(tmp_path / "plan.xlsx")
    for cell in (book["Models"]["A5"], book["Models"]["B5"], book["Plan"]["B5"]):
        assert cell.data_type == "s"
        assert cell.value.startswith("=")
    with ZipFile(tmp_path / "plan.xlsx") as archive:
        assert b"<hyperlink" not in archive.read("xl/worksheets/sheet6.xml")
        assert b"HYPERLINK" in archive.read("xl/charts/chart2.xml")
        for chart in ("xl/charts/chart1.xml", "xl/charts/chart2.xml"):
            assert b"<c:f>HYPERLINK" not in archive.read(chart)


@pytest.mark.parametrize("text", ["=1+1", "0012", "https://example.com", "internal:Plan!A1"])
def test_what_looks_like_something_else_is_written_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "book.xlsx"
    with new_workbook(path) as book:
        book.add_worksheet("One").write(0, 0, text)
    cell = openpyxl.load_workbook(path)["One"]["A1"]
    assert (cell.data_type, cell.value, cell.hyperlink) == ("s", text, None)


def test_a_formula_longer_than_a_cell_takes_is_a_sentence_in_its_row(tmp_path: Path) -> None:
    reading = read("llama-3.1-8b")
    shape = {"kind": "sliding_attention", "kv_heads": 8, "head_dim": 128}
    layers = tuple(layer({**shape, "window": window}) for window in range(1_000, 1_400))
    model = Model(name="many windows", layers=layers, max_context=8_192)
    few = {"among": ["ideal"], "dtypes": ["bfloat16"], "ranks": [1]}
    asked = book_of([("many", replace(reading, model=model))], **few)
    write_xlsx(tmp_path / "plan.xlsx", *sheets(asked))
    path = tmp_path / "plan.xlsx"
    book, values = openpyxl.load_workbook(path, read_only=True), cached(path)
    sentence = values["Formulas"][5, 6]
    assert re.match(r"formula: found [0-9,]+ characters, expected at most the 8,192", sentence)
    assert named(book, values, "total_bytes") == sentence
    assert named(book, values, "max_sequences") == "see total_bytes"
    assert values["Workload"][10, 7] == "see Plan"
    assert values["Sweep"][5, 4] == kvcalc.cost(model)(8_192)


def test_models_of_one_name_are_told_apart() -> None:
    reading = read("llama-3.1-8b")
    asked = book_of([("a", reading), ("b", reading)])
    assert [one.name for one in asked.models] == ["Llama-3.1-8B", "Llama-3.1-8B (2)"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"among": ["vlm"]}, "engine 'vlm' is unknown"),
        ({"ranks": [*range(1, 4000)]}, "expected at most 20,000"),
        ({"dtypes": ["fp7"], "ranks": [3]}, None),
    ],
)
def test_what_cannot_be_laid_out_is_refused(asked: dict[str, Any], sentence: str | None) -> None:
    readings = [("llama-3.1-8b", read("llama-3.1-8b"))]
    if sentence is None:
        rows = book_of(readings, **asked).combinations
        assert any("'fp7' is unknown" in str(one.error) for one in rows)
        return
    with pytest.raises(KvcalcError, match=sentence):
        book_of(readings, **asked)


def test_a_refusal_of_every_combination_is_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(one: Combination, *_: object) -> None:
        raise UnsupportedError("no such layers", engine=one.engine, what="layers")

    monkeypatch.setattr("kvcalc.answers.workbook.combinations.cost_of", refuse)
    with pytest.raises(UnsupportedError, match=r"Llama-3.1-8B on mlx: no such layers") as refused:
        book_of([("llama-3.1-8b", read("llama-3.1-8b"))], among=["mlx"])
    assert vars(refused.value) == {"engine": "mlx", "what": "layers"}


def test_a_model_that_the_engine_refuses_with_all_layers_full_is_swept_without_them() -> None:
    """SGLang stores layers of two shapes only where one of them slides."""
    book = book_of([("mimo-v2-flash", read("mimo-v2-flash"))], among=["sglang"])
    swept = next(sheet for sheet in sheets(book)[0] if sheet.name == "Sweep")
    assert swept.cells[4, 3].value == kvcalc.cost(book.models[0].model, "sglang")(8_192)
    assert str(swept.cells[4, 4].value).startswith("sglang stores all layers of a pool")
    assert (4, 5) not in swept.cells
    assert all(one.name != "full attention" for one in swept.charts[-1].series)
