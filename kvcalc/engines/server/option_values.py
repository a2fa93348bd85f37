"""What the options of an engine's command line take, as the engine's own parser has it.

Each says how a value is written, in the words that follow the flag, or None for a value that the
option refuses. They are facts of the engine, each with its source: what kvcalc's own settings
accept may be more.
"""

import re
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

REVISION = "[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}"
"""A branch, a tag or a commit of a repository on the Hub."""

INT32 = 2**31 - 1
"""The most that a C++ int holds."""


class Takes(Protocol):
    """The values of one option; `source` is where the engine's code names them."""

    @property
    def source(self) -> str:
        """Where the engine's code names them."""
        ...

    def written(self, value: Any) -> tuple[str, ...] | None:
        """Write a value as the words after the flag; None where the option does not take it."""
        ...


class Choices(NamedTuple):
    """One of several words."""

    source: str
    words: tuple[str, ...]

    def written(self, value: Any) -> tuple[str, ...] | None:
        """Write the value as it is, if it is one of the words."""
        return (str(value),) if str(value) in self.words else None


class Whole(NamedTuple):
    """A whole number; without `most` it has no limit, like Python's int."""

    source: str
    least: int = 1
    most: int | None = None

    def written(self, value: Any) -> tuple[str, ...] | None:
        """Write the number in digits, if it is one and lies between the limits."""
        least = isinstance(value, int) and value >= self.least
        return (str(value),) if least and (self.most is None or value <= self.most) else None


class Share(NamedTuple):
    """A number above 0, in decimals; a fraction is written to nine of them."""

    source: str
    most: int | None = 1

    def written(self, value: Any) -> tuple[str, ...] | None:
        """Write the number without an exponent where it is a fraction, else as Python does."""
        if not (value > 0 and (self.most is None or value <= self.most)):
            return None
        return (_nine_decimals(value) if isinstance(value, Fraction) else repr(value),)


def _nine_decimals(value: Fraction) -> str:
    whole, rest = divmod(round(value * 10**9), 10**9)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


class Listed(NamedTuple):
    """At least one word, each matching a pattern; they are apart, or joined by `joint`."""

    source: str
    pattern: str
    joint: str | None = None
    most: int | None = None

    def written(self, value: Any) -> tuple[str, ...] | None:
        """Write the items of a list or tuple, or of the text that already joins them."""
        items = value.split(self.joint) if isinstance(value, str) else [str(one) for one in value]
        if not items or (self.most is not None and len(items) > self.most):
            return None
        if not all(re.fullmatch(self.pattern, item) for item in items):
            return None
        return (self.joint.join(items),) if self.joint else tuple(items)


class Json(NamedTuple):
    """An object in JSON, whose text the engine's table of settings has made."""

    source: str

    def written(self, value: Any) -> tuple[str, ...]:
        """Write the text as it is."""
        return (str(value),)
