"""A table of text that is read row by row, and what its header and cells may be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from kvcalc.errors import SourceError

MAX_COLUMNS = 16_384
"""The most columns of a spreadsheet (ECMA-376: A to XFD)."""
MAX_CELL_CHARACTERS = 2**17


class Table(NamedTuple):
    """A header and the rows beneath it, as text, each with the number of its line or row.

    `file` is the open file if its position tells how much was read, else None; `delimiter` is what
    stands between two cells of a file of text.
    """

    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    file: BinaryIO | None = None
    delimiter: str = ","


def header_of(cells: list[str], path: Path | None) -> list[str]:
    """Take a header's names without the blanks around them.

    Raises:
        SourceError: there is none, or it is wider than a spreadsheet.
    """
    if not cells:
        raise SourceError.of(path, "found no line, expected a header")
    if len(cells) > MAX_COLUMNS:
        raise SourceError.of(
            path, f"found {len(cells):,} columns, expected at most {MAX_COLUMNS:,}"
        )
    return [cell.strip() for cell in cells]


def text_of(cell: Any) -> str:
    """Write a value as a plan writes it: nothing for none, a whole number without its point."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)
