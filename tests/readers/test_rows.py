"""Tables as rows of text: CSV, Parquet and workbooks, and files that are none of these."""

import zipfile
from pathlib import Path

import duckdb
import openpyxl
import pytest

from kvcalc.errors import KvcalcError
from kvcalc.readers import parquet as readers_parquet
from kvcalc.readers import workbook_bounds
from kvcalc.readers.rows import read_rows
from kvcalc.readers.table import MAX_CELL_CHARACTERS, MAX_COLUMNS


def read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    with read_rows(path) as table:
        return table.header, list(table.rows)


@pytest.mark.parametrize(
    ("content", "header", "found"),
    [
        (b"a,b\n1,2\n", ["a", "b"], [(2, ["1", "2"])]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", ["a", "b"], [(2, ["1", "2"])]),
        (b'a\n"1\n2"\n\n3\n', ["a"], [(3, ["1\n2"]), (5, ["3"])]),
        (b"a,b\n1\n", ["a", "b"], [(2, ["1"])]),
        ("a\ngrün\n".encode(), ["a"], [(2, ["grün"])]),
        (b"a", ["a"], []),
    ],
    ids=["plain", "BOM and CRLF", "quoted line feed", "ragged", "UTF-8", "header alone"],
)
def test_csv_is_read_as_it_comes(
    tmp_path: Path, content: bytes, header: list[str], found: list[tuple[int, list[str]]]
) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes(content)
    assert read(path) == (header, found)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "found no line, expected a header"),
        (b"a\n\xfc\n", "line 2: found the byte 0xfc, expected UTF-8"),
        ("a\n1\n".encode("utf-16"), "line 1: found the byte 0xff, expected UTF-8"),
        (b'a\n"1', "line 2: unexpected end of data"),
        (b"," * 10**6, f"found 1,000,001 columns, expected at most {MAX_COLUMNS:,}"),
        (b"a\n" + b"1" * 2**18, "line 2: field larger than field limit"),
        (b"a\n" + b"1," * 2**23, "line 2: longer than 16,777,216 bytes"),
    ],
    ids=["empty", "Latin-1", "UTF-16", "open quote", "a million columns", "long cell", "long line"],
)
def test_what_is_no_csv_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes(content)
    with pytest.raises(KvcalcError) as caught:
        read(path)
    assert str(caught.value).startswith(f"'{path}': {sentence}")


def test_parquet_is_read_by_its_values(tmp_path: Path) -> None:
    path = tmp_path / "plan[1].parquet"
    rows = "VALUES ('a', 1.0::DOUBLE, 3), (NULL, 2.5, 4)"
    copied = f"COPY (SELECT * FROM ({rows}) AS t(model, context, n))"
    duckdb.execute(f"{copied} TO '{path}' (FORMAT parquet)")
    assert read(path) == (["model", "context", "n"], [(1, ["a", "1", "3"]), (2, ["", "2.5", "4"])])


def test_what_a_parquet_file_unpacks_to_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plan.parquet"
    for characters in (MAX_CELL_CHARACTERS, MAX_CELL_CHARACTERS + 1):
        copied = f"COPY (SELECT 'a' AS model, repeat('a', {characters}) AS \"a \"\"b\") "
        duckdb.execute(f"{copied} TO '{path}' (FORMAT parquet)")
        if characters == MAX_CELL_CHARACTERS:
            assert [len(cell) for cell in read(path)[1][0][1]] == [1, characters]
    with pytest.raises(KvcalcError, match="row 1: found a text of more than 131,072 bytes"):
        read(path)
    monkeypatch.setattr(readers_parquet, "MAX_CHUNK_BYTES", 2**16)
    with pytest.raises(KvcalcError, match="bytes of a column at once, expected at most 65,536"):
        read(path)


def test_a_workbook_is_read_by_the_values_of_its_first_sheet(tmp_path: Path) -> None:
    path = tmp_path / "plan.xlsx"
    book = openpyxl.Workbook()
    for row in (["model", "context"], ["a", 8192], [None, None], ["b"]):
        book.worksheets[0].append(row)
    book.save(path)
    assert read(path) == (["model", "context"], [(2, ["a", "8192"]), (4, ["b", ""])])


@pytest.mark.parametrize("suffix", [".parquet", ".xlsx"])
def test_a_file_that_is_not_what_its_name_says_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plan{suffix}"
    path.write_bytes(b"PAR1 or PK, but neither")
    with pytest.raises(KvcalcError, match=r"not Parquet|not a workbook"):
        read(path)


NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def workbook(path: Path, rows: str, *, dimension: str = "", more: str = "") -> Path:
    """A workbook whose sheet has these rows, in the format's own words."""
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = (
        f"<worksheet {NAMESPACE}>{dimension}<sheetData>{rows}</sheetData>{more}</worksheet>"
    ).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


HEADER = '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'


def test_rows_past_the_size_that_a_workbook_states_are_read(tmp_path: Path) -> None:
    stated = '<dimension ref="A1:A2"/>'
    rows = HEADER + '<row r="2"><c r="A2"><v>1</v></c></row><row r="4"><c r="B4"><v>2</v></c></row>'
    path = workbook(tmp_path / "plan.xlsx", rows, dimension=stated)
    assert read(path) == (["a", "b"], [(2, ["1", ""]), (4, ["", "2"])])


def test_a_formula_without_a_value_is_itself_and_one_with_a_value_is_that(tmp_path: Path) -> None:
    rows = (
        f'{HEADER}<row r="2"><c r="A2"><f>1+1</f></c><c r="B2"><f>2+2</f><v>4</v></c></row>'
        '<row r="3"><c r="A3"><f>3+3</f><v></v></c><c r="B3" t="str"><f>""</f><v></v></c></row>'
        '<row r="4"><c r="A4" s="0"/><c r="B4"/><c r="C4"/></row>'
    )
    path = workbook(tmp_path / "plan.xlsx", rows)
    assert read(path)[1] == [(2, ["=1+1", "4"]), (3, ["=3+3", ""])]


BOUNDS = {
    "row": ('<row r="1048577"/>', "found a row 1,048,577 after 1"),
    "column": ('<row r="2"><c r="XFE2"/></row>', "found a column 16,385 after 0 in row 2"),
    "rows out of order": ('<row r="1"/>', "found a row 1 after 1"),
    "cells out of order": ('<row r="2"><c r="B2"/><c r="A2"/></row>', "found a column 1 after 2"),
    "no cell's place": ('<row r="2"><c r="12"/></row>', "found a column 0 after 0"),
    "text": (
        f'<row r="2"><c t="str"><v>{"".join(map(str, range(8_000)))}</v></c></row>',
        "part 'xl/worksheets/sheet1.xml': found a text of over 30,889 characters",
    ),
    "shared": (
        f'<row r="2"><c t="str"><is>{"<r><t>0123456789</t></r>" * 3_089}</is></c></row>',
        "found a text of over 30,889 characters",
    ),
    "tag": (
        f'<row r="2" {" ".join(f"a{n}={chr(39) * 2}" for n in range(40_000))}/>',
        "found a tag",
    ),
    "depth": (f'<row r="2">{"<x>" * 62}{"</x>" * 62}</row>', "found more than 64 elements inside"),
}


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_a_workbook_is_within_a_spreadsheets_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rows, sentence = BOUNDS[name]
    monkeypatch.setattr(workbook_bounds, "MAX_TEXT", 30_889)
    with pytest.raises(KvcalcError) as caught:
        read(workbook(tmp_path / "plan.xlsx", HEADER + rows))
    assert sentence in str(caught.value)


def test_a_document_type_and_many_other_elements_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path / "plan.xlsx", HEADER, more="<mergeCell/>" * 500)
    assert read(path)[0] == ["a", "b"]
    monkeypatch.setattr(workbook_bounds, "MAX_OTHER_ELEMENTS", 499)
    with pytest.raises(KvcalcError, match="found more than 499 elements beside cells"):
        read(path)
    monkeypatch.undo()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/a.xml", "<!DOCTYPE a><a/>")
    with pytest.raises(KvcalcError, match=r"part 'xl/a.xml': found a document type"):
        read(path)


@pytest.mark.parametrize(
    ("bound", "most", "sentence"),
    [
        ("MAX_UNPACKED_BYTES", 2**15, "found [0-9,]+ bytes when unpacked, expected at most 32,768"),
        ("MAX_PART_BYTES", 2**15, "part 'xl/media/b': found 50,000 bytes when unpacked, expected"),
        ("UNMEASURED_BYTES", 2**10, "found 50,000 bytes when unpacked from [0-9]+, expected at"),
        ("MAX_PACKED_BYTES", 2**10, "found more than 1,024 bytes"),
        ("MAX_PARTS", 3, "parts, expected at most 3"),
        ("MAX_TAGS", 100, "found over 100 tags with it; write .csv"),
        ("MAX_UNCALCULATED", 0, "found more than 0 formulas that were never calculated"),
    ],
)
def test_what_a_workbook_unpacks_to_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, sentence: str
) -> None:
    path = workbook(tmp_path / "plan.xlsx", f'{HEADER}<row r="2"><c r="A2"><f>1</f></c></row>')
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/b", b" " * 50_000)
    assert read(path)[1] == [(2, ["=1", ""])]
    monkeypatch.setattr(workbook_bounds, bound, most)
    with pytest.raises(KvcalcError, match=sentence):
        read(path)


def test_a_folders_name_is_no_column(tmp_path: Path) -> None:
    path = tmp_path / "model=other" / "plan.parquet"
    path.parent.mkdir()
    duckdb.execute(f"COPY (SELECT 'a' AS model, 3 AS context) TO '{path}' (FORMAT parquet)")
    assert read(path) == (["model", "context"], [(1, ["a", "3"])])
