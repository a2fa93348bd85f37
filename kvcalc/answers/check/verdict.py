"""A printed figure held against our own: it agrees to the printed precision, differs or cannot."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from kvcalc.errors import KvcalcError, RequestError
from kvcalc.model import Model

AGREES, DIFFERS, CANNOT = "agrees", "differs", "cannot"

UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@dataclass(frozen=True)
class Checked:
    """A figure of a log: `printed` and `ours` are in its own unit; `why` is a sentence for people.

    `line` counts from 1; `verdict` is agrees, differs or cannot.
    """

    line: int
    figure: str
    printed: int | float
    ours: int | float | None
    verdict: str
    why: str


@dataclass(frozen=True)
class Subject:
    """What the log is of: the model where it is known, and settings as given or found.

    `settings` are those of the engine; `context` is tokens of one sequence, `sequences` a count.
    """

    model: Model | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    context: int | None = None
    sequences: int | None = None

    def number(self, *names: str, default: int) -> int:
        """The first of these settings that is known, as a whole number."""
        for name in names:
            if name in self.settings:
                text = str(self.settings[name]).replace(",", "")
                if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= 2**40):
                    raise RequestError.about(
                        name, f"found {text!r:.60}, expected a whole number", found=text
                    )
                return int(text)
        return default


class Printed(NamedTuple):
    """A figure as it stands in the log: line, name with its unit, and text."""

    line: int
    figure: str
    text: str

    @property
    def value(self) -> Fraction:
        """The number that is printed."""
        return Fraction(self.text.replace(",", ""))

    @property
    def step(self) -> Fraction:
        """One unit of the last printed place; 0 of a whole number."""
        _, point, decimals = self.text.partition(".")
        return Fraction(1, 10 ** len(decimals)) if point else Fraction(0)

    def agrees_with(self, ours: Fraction | int) -> bool:
        """Whether a value would be printed so, to the last place."""
        return abs(self.value - ours) <= self.step

    def held(self, ours: Fraction | int, why: str, explain: "Explain | None" = None) -> Checked:
        """Hold the figure against ours; where it differs, let `explain` say what would do it."""
        if self.agrees_with(ours):
            return self.row(ours, AGREES, why)
        off = self.value - ours
        share = f", {float(off / ours):+.1%}" if ours else ""
        cause = explain(self) if explain else None
        hint = f"; {cause} would explain it" if cause else ""
        return self.row(ours, DIFFERS, f"{why}: off by {_amount(off)}{share}{hint}")

    def cannot(self, missing: str) -> Checked:
        """Say that the figure cannot be checked, and what is missing."""
        return self.row(None, CANNOT, missing)

    def row(self, ours: Fraction | int | None, verdict: str, why: str) -> Checked:
        """Make the row."""
        value = None if ours is None else _plain(Fraction(ours), 4)
        return Checked(self.line, self.figure, _plain(self.value, 4), value, verdict, why)


Explain = Callable[[Printed], str | None]


def first_that_agrees(
    printed: Printed, candidates: Iterable[tuple[str, Callable[[], Fraction | int]]]
) -> str | None:
    """Name the first change with which a figure would agree; what an engine refuses is not it."""
    for name, value in candidates:
        try:
            if printed.agrees_with(value()):
                return name
        except KvcalcError:
            continue
    return None


def number(text: str) -> int:
    """A whole number as logs print it."""
    return int(text.replace(",", ""))


def _plain(value: Fraction, places: int) -> int | float:
    return int(value) if value.denominator == 1 else round(float(value), places)


def _amount(value: Fraction) -> str:
    return f"{_plain(value, 2):+,}"
