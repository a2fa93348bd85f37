"""A line that an engine prints: what tells it from others, and the figures in it."""

import re
from typing import NamedTuple


class Pattern(NamedTuple):
    """A kind of line: `needle` stands in it word for word, `regex` names its figures as groups."""

    kind: str
    needle: bytes
    regex: re.Pattern[str]


class Found(NamedTuple):
    """A line of a log, by number from 1, of an engine and a kind, with its figures as printed."""

    line: int
    engine: str
    kind: str
    values: dict[str, str]


def pattern(kind: str, needle: str, regex: str) -> Pattern:
    """Compile a pattern; a space in it stands for any number of spaces."""
    return Pattern(kind, needle.encode(), re.compile(regex.replace(" ", r"[ \t]*")))


COUNT = r"[0-9][0-9,]{0,18}"
"""A whole number, with or without commas."""

SIZE = r"[0-9]{1,9}(?:\.[0-9]{1,4})?"
"""A size with decimals."""
