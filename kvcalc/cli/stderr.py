"""What is told on stderr: a sentence a line, folded at the width of a terminal."""

import os
import sys
from contextlib import suppress


def tell(sentence: str) -> None:
    """Print a sentence behind the program's name."""
    print(_folded(f"kvcalc: {sentence}"), file=sys.stderr)


def _folded(text: str) -> str:
    """Fold at spaces where a terminal would break words; what is in a file or pipe stays a line."""
    if sys.stderr is None or not sys.stderr.isatty():
        return text
    from textwrap import fill

    return fill(
        text,
        _columns(),
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _columns() -> int:
    """The terminal's width, or what COLUMNS says of it; 80 where neither tells."""
    with suppress(ValueError):
        if (asked := int(os.environ.get("COLUMNS", ""))) > 0:
            return asked
    with suppress(OSError, ValueError):  # not a terminal after all; no file behind it
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return 80
