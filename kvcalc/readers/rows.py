"""A table's rows, streamed: CSV, TSV, Parquet or the values of a workbook's first sheet."""

import csv
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from kvcalc.errors import SourceError
from kvcalc.files import opened
from kvcalc.readers.parquet import parquet
from kvcalc.readers.table import MAX_CELL_CHARACTERS, Table, header_of
from kvcalc.readers.workbook import workbook

MAX_LINE_BYTES = 2**24
DELIMITERS = ",;\t"
"""What may stand between cells: spreadsheets write ; where the comma is a decimal point."""


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
            yield parquet(path)
        elif path.suffix == ".xlsx":
            yield workbook(file, path)
        else:
            yield _csv(file, path)


def _csv(file: BinaryIO, path: Path | None) -> Table:
    lines = _lines(file, path)
    first = next(lines, "")
    delimiter = _delimiter(first)
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
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
    return Table(header_of(header, path), found, file, delimiter)


def _delimiter(header: str) -> str:
    """What stands most often between the names of a header; a comma where nothing does."""
    unquoted = re.sub(r'"[^"]*"?', "", header)
    return max(DELIMITERS, key=unquoted.count)


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
