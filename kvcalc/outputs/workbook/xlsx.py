"""XlsxWriter, set up so that text from a plan or a model never becomes a formula or a link."""

from pathlib import Path
from typing import Any

from kvcalc.errors import MissingExtraError

NOTHING_IS_GUESSED = {
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def held(text: str) -> str:
    """Escape what UTF-8 does not hold: the bytes of a file's name that are none of it."""
    return text.encode("utf-8", "backslashreplace").decode()


def new_workbook(path: Path, *, constant_memory: bool = False) -> Any:
    """Open a new workbook, which is written when it is closed.

    Raises:
        MissingExtraError: XlsxWriter is not installed.
    """
    try:
        from xlsxwriter import Workbook
    except ImportError:
        raise MissingExtraError.of("writing a workbook needs", "xlsx") from None
    return Workbook(str(path), {"constant_memory": constant_memory, **NOTHING_IS_GUESSED})
