"""A table's rows, streamed: CSV, Parquet or the values of a workbook's first sheet."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from kvcalc.errors import MissingExtraError, SourceError, quote
from kvcalc.files import opened

MAX_COLUMNS = 16_384
"""The most columns of a spreadsheet (ECMA-376: A to XFD)."""
MAX_LINE_BYTES = 2**24
MAX_CELL_CHARACTERS = 2**17
MAX_UNPACKED_BYTES = 2**30
"""The most bytes of a workbook when it is unpacked; a larger one is taken for a zip bomb."""


class Table(NamedTuple):
    """A header and the rows beneath it, as text, each with the number of its line or row.

    `file` is the open file if its position tells how much was read, else None.
    """

    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    file: BinaryIO | None = None


@contextmanager
def read_rows(path: Path | None) -> Iterator[Table]:
    """Open a table; without a path, CSV from stdin.

    Raises:
        SourceError: it cannot be read or is not such a file; the sentence names the file.
    """
    if path is None:
        if sys.stdin is None:  # closed by the shell: <&-
            raise SourceError.of(None, "closed; give a file")
        yield _csv(sys.stdin.buffer, None)
        return
    with opened(path) as file:
        if path.suffix == ".parquet":
            yield _parquet(path)
        elif path.suffix == ".xlsx":
            yield _xlsx(file, path)
        else:
            yield _csv(file, path)


def _csv(file: BinaryIO, path: Path | None) -> Table:
    reader = csv.reader(_lines(file, path), strict=True)
    csv.field_size_limit(MAX_CELL_CHARACTERS)

    def rows() -> Iterator[tuple[int, list[str]]]:
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise SourceError.of(path, f"line {reader.line_num:,}: {error}") from None

    found = rows()
    _, header = next(found, (0, []))
    return Table(_header(header, path), found, file)


def _lines(file: BinaryIO, path: Path | None) -> Iterator[str]:
    """Decode line by line, so that a bad line is named and no line takes all the memory."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            raise SourceError.of(path, f"line {number:,}: longer than {MAX_LINE_BYTES:,} bytes")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise SourceError.of(
                path,
                f"line {number:,}: found the byte {error.object[error.start]:#04x}, "
                "expected UTF-8; save it as CSV UTF-8",
            ) from None


def _header(cells: list[str], path: Path | None) -> list[str]:
    if not cells:
        raise SourceError.of(path, "found no line, expected a header")
    if len(cells) > MAX_COLUMNS:
        raise SourceError.of(
            path, f"found {len(cells):,} columns, expected at most {MAX_COLUMNS:,}"
        )
    return [cell.strip() for cell in cells]


def _parquet(path: Path) -> Table:
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError.of("reading Parquet needs", "parquet") from None
    connection = duckdb.connect()
    try:
        found = connection.execute("SELECT * FROM read_parquet(?)", [escape(str(path))])
    except duckdb.Error as error:
        raise SourceError.of(path, f"not Parquet ({quote(str(error))})") from None
    header = _header([column[0] for column in found.description or ()], path)

    def rows() -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            while batch := found.fetchmany(8_192):
                for cells in batch:
                    number += 1
                    yield number, [_text(cell) for cell in cells]
        except duckdb.Error as error:
            raise SourceError.of(path, f"row {number:,}: {quote(str(error))}") from None

    return Table(header, rows())


def _xlsx(file: BinaryIO, path: Path | None) -> Table:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingExtraError.of("reading a workbook needs", "xlsx") from None
    _refuse_bomb(file, path)
    try:
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0].iter_rows(values_only=True)
        header = next(sheet, ())
    except (
        Exception
    ) as error:  # a zip, XML or key error: the library has no exception class of its own
        raise SourceError.of(path, f"not a workbook ({quote(str(error))})") from None
    cells = [_text(cell) for cell in header]

    def rows() -> Iterator[tuple[int, list[str]]]:
        number = 1
        try:
            for row in sheet:
                number += 1
                if any(cell is not None for cell in row):
                    texts = [_text(cell) for cell in row]
                    yield number, texts + [""] * (len(cells) - len(texts))
        except Exception as error:  # as above, but when more of its XML is parsed
            raise SourceError.of(path, f"row {number + 1:,}: {quote(str(error))}") from None

    return Table(_header(cells, path), rows())


def _refuse_bomb(file: BinaryIO, path: Path | None) -> None:
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (BadZipFile, OSError, ValueError) as error:
        raise SourceError.of(path, f"not a workbook ({quote(str(error))})") from None
    if unpacked > MAX_UNPACKED_BYTES:
        raise SourceError.of(
            path, f"found {unpacked:,} bytes when unpacked, expected at most {MAX_UNPACKED_BYTES:,}"
        )
    file.seek(0)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)
