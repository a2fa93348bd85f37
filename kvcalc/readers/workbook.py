"""The rows of a workbook's first sheet, streamed."""

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, BinaryIO
from warnings import catch_warnings, simplefilter

from kvcalc.errors import MissingExtraError, SourceError, quote
from kvcalc.readers.table import Table, header_of, text_of


def workbook(file: BinaryIO, path: Path | None) -> Table:
    """Read the values of the first sheet; a formula without a calculated one is itself: =A2*2.

    Raises:
        MissingExtraError: openpyxl is not installed.
        SourceError: it is not a workbook, or it passes a bound.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingExtraError.of("reading a workbook needs", "xlsx") from None
    found = _rows(load_workbook, file, path)
    _, header = next(found, (0, []))
    header = header_of(_trimmed(header), path)
    width = len(header)
    rows = (
        (number, _trimmed(cells, width) + [""] * (width - len(cells)))
        for number, cells in found
        if any(cells)
    )
    return Table(header, rows)


def _trimmed(cells: list[str], width: int = 0) -> list[str]:
    """Leave out cells at the end that have a style and no value."""
    while len(cells) > width and not cells[-1]:
        cells.pop()
    return cells


def _rows(
    load: Callable[..., Any], file: BinaryIO, path: Path | None
) -> Iterator[tuple[int, list[str]]]:
    """Yield every row as texts, the header first."""
    from kvcalc.readers.workbook_bounds import uncalculated

    lacking = uncalculated(file, path)
    number = 0
    try:
        values = _first_sheet(load, file, data_only=True)
        formulas = _first_sheet(load, file) if lacking else repeat(())
        for number, (row, written) in enumerate(zip(values, formulas, strict=False), 1):
            texts = [text_of(cell) for cell in row]
            for place, cell in enumerate(written):
                if (number, place + 1) in lacking:
                    texts[place] = str(getattr(cell, "text", cell))
            yield number, texts
    except SourceError:
        raise
    except Exception as error:  # of zip, XML or a key: the library has no class of its own
        where = f"row {number + 1:,}: {quote(str(error))}"
        why = where if number else f"not a workbook ({quote(str(error))})"
        raise SourceError.of(path, why) from None


def _first_sheet(
    load: Callable[..., Any], file: BinaryIO, **options: bool
) -> Iterator[Sequence[Any]]:
    with catch_warnings():
        simplefilter("ignore")  # of styles and parts that are not read
        sheet = load(file, read_only=True, keep_links=False, **options).worksheets[0]
    sheet.reset_dimensions()  # other writers append rows and leave what it says of its size
    rows: Iterator[Sequence[Any]] = sheet.iter_rows(values_only=True)
    return rows
