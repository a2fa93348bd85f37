"""Tables as rows of text: CSV, Parquet and workbooks, and files that are none of these."""

import zipfile
from pathlib import Path

import duckdb
import openpyxl
import pytest

from kvcalc.errors import KvcalcError
from kvcalc.readers import rows
from kvcalc.readers.rows import MAX_COLUMNS, read_rows


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


def test_a_workbook_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_UNPACKED_BYTES", 2**20)
    path = tmp_path / "plan.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * (2**20 + 1))
    with pytest.raises(KvcalcError, match="found 1,048,577 bytes when unpacked"):
        read(path)
