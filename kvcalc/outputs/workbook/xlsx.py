"""XlsxWriter, set up so that text from a plan or a model never becomes a formula or a link."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kvcalc.errors import MissingExtraError, quote

NOTHING_IS_GUESSED = {
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def held(text: str) -> str:
    """Escape what UTF-8 does not hold: the bytes of a file's name that are none of it."""
    return text.encode("utf-8", "backslashreplace").decode()


class _EmptyText(str):
    """An empty text that equals no other: XlsxWriter leaves the type of "" out."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


def result(text: str) -> str:
    """A formula's result that is a text, to be written as one even if it is empty."""
    return held(text) or _EmptyText()


def _sheet() -> Any:
    """A sheet whose formulas stand as they are given.

    XlsxWriter seeks thirty functions in each, a text's words too, which are newer than Excel 2010.
    """
    from xlsxwriter.worksheet import Worksheet

    sheet = Worksheet()
    sheet._prepare_formula = lambda formula, _=False: formula.removeprefix("=")
    return sheet


@contextmanager
def new_workbook(path: Path, *, constant_memory: bool = False) -> Iterator[Any]:
    """Open a new workbook, which is written in the end.

    With `constant_memory` its rows stand beside it until then, and not in memory.

    Raises:
        MissingExtraError: XlsxWriter is not installed.
        OSError: it cannot be written.
    """
    try:
        from xlsxwriter import Workbook
        from xlsxwriter.exceptions import XlsxFileError
    except ImportError:
        raise MissingExtraError.of("writing a workbook needs", "xlsx") from None
    options = {
        "constant_memory": constant_memory,
        "in_memory": not constant_memory,
        "tmpdir": str(path.parent),
    }
    try:
        with Workbook(str(path), options | NOTHING_IS_GUESSED) as book:
            book.worksheet_class = _sheet
            yield book
    except XlsxFileError as error:
        cause = error.__cause__ or error.__context__
        raise (cause if isinstance(cause, OSError) else OSError(quote(error))) from None
