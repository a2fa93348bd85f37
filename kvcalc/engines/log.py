"""What an engine's start-up lines look like, and how a printed figure is compared with ours."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from kvcalc.errors import KvcalcError, RequestError, TooLittleMemoryError, UnsupportedError, quote
from kvcalc.model import Model
from kvcalc.parameters.stored import Stored

AGREES, DIFFERS, CANNOT = "agrees", "differs", "cannot"
LOGGED, GIVEN, ASSUMED = "log", "given", "assumed"

NO_MODEL = "the model is missing: give --model"


def of_other_weights(quantization: object, model: Model) -> str | None:
    """Say that the log's weights are quantised although the model's are not; else None."""
    if not quantization or model.quantization is not None:
        return None
    return (
        f"the log's weights are quantised ({quote(quantization)}), the model's are not: give "
        "--model the quantised checkpoint's config.json"
    )


COUNT = r"[0-9][0-9,]{0,18}"
"""A whole number, with or without commas."""

SIZE = r"[0-9]{1,9}(?:\.[0-9]{1,4})?"
"""A size with decimals."""


class Pattern(NamedTuple):
    """A kind of line: it holds `needle` word for word, and its figures are groups of `regex`."""

    kind: str
    needle: bytes
    regex: re.Pattern[str]


def pattern(kind: str, needle: str, regex: str) -> Pattern:
    """Compile a pattern; a space in it stands for any number of spaces."""
    return Pattern(kind, needle.encode(), re.compile(regex.replace(" ", r"[ \t]*")))


class Found(NamedTuple):
    """A line of a log: its number from 1, its engine and kind, and its figures as printed."""

    line: int
    engine: str
    kind: str
    values: dict[str, str]


@dataclass(frozen=True)
class Remedy:
    """A change with which a failed start would work: the engine's flags, and what it then has."""

    flags: str
    then: str


@dataclass(frozen=True)
class Checked:
    """A figure of a log: `printed` and `ours` are in its own unit; `why` is a sentence for people.

    `line` counts from 1; `verdict` is agrees, differs or cannot. `engine_version` is the release
    that ours holds for, and `version_source` says who named it: log, given or, where neither did,
    assumed. `remedies` are changes with which a start that failed at this line would work, each
    proved by the engine's arithmetic, the one that gives up least first.
    """

    line: int
    figure: str
    printed: int | float
    ours: int | float | None
    verdict: str
    why: str
    engine: str = ""
    engine_version: str = ""
    version_source: str = ASSUMED
    remedies: tuple[Remedy, ...] = ()


Changes = Mapping[str, Any]
"""What to change: settings by the engine's names, or "context", "sequences" and "share"."""

EXPLAINED = 40
"""For how many figures of a log a cause is looked for. Each search asks every release: a start
prints some twenty figures, but a log of thousands would take as many minutes."""


@dataclass(frozen=True)
class Subject:
    """What the log is of: the model where it is known, and settings as given or found.

    `settings` are by the engine's names; `context` is tokens of one sequence, `sequences` a count.
    `given` are the names of those that the user gave. `stored` are the tensors of the model's file,
    if there is one. `patience` counts for how many figures a cause may still be looked for.
    """

    model: Model | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    context: int | None = None
    sequences: int | None = None
    given: frozenset[str] = frozenset()
    stored: tuple[Stored, ...] = ()
    patience: Iterator[int] = field(
        default_factory=lambda: iter(range(EXPLAINED)), repr=False, compare=False
    )

    def may_explain(self) -> bool:
        """Whether a cause is looked for once more."""
        return next(self.patience, None) is not None

    def causes(self, changes: Iterable[Changes], said: Set[str]) -> tuple[list[Changes], ...]:
        """The changes that may explain a figure: of what nobody said, and of what the user gave.

        Settings are `said` by the log or the user: what the log says stands, but what the user gave
        may have been another value when it started.
        """
        every = list(changes)
        return (
            [each for each in every if said.isdisjoint(each)],
            [each for each in every if each and each.keys() <= self.given],
        )

    def number(self, name: str, default: int) -> int:
        """A setting as a whole number.

        Raises:
            RequestError: it is not a positive whole number.
        """
        if name not in self.settings:
            return default
        text = str(self.settings[name]).replace(",", "")
        if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= 2**40):
            raise RequestError.of(name, text, "a whole number")
        return int(text)


class EngineLog(NamedTuple):
    """How an engine's log is read, and how its figures are checked."""

    patterns: tuple[Pattern, ...]
    """The lines that are read."""

    check: Callable[[Sequence[Found], Subject], Iterable[Checked]]
    """Compares their figures with the engine's own arithmetic."""

    spellings: Mapping[str, str] = MappingProxyType({})
    """Other names of settings, and the engine's own for each; or "context" or "sequences"."""

    beside: frozenset[str] = frozenset()
    """Names of what may be given of a run that is no setting."""

    configured: tuple[str, ...] = ()
    """Settings that are taken from the lines in which the engine prints its configuration: from the
    group `config` of their pattern. `release` is taken from the group `version` of any line, where
    the engine has that setting."""

    values: Mapping[str, Callable[[str], Any]] = MappingProxyType({})
    """Makes the engine's own value of a setting from its text; None if the text says nothing."""

    said: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    """The settings that follow from a kind of line being there."""

    hint: str = ""
    """How the engine is made to print its figures, told where a log has none."""


class Printed(NamedTuple):
    """A figure as the log has it: its line, its name with the unit, and its text.

    `places` are the decimals that an engine rounds to which then drops zeros at the end.
    """

    line: int
    figure: str
    text: str
    places: int = 0

    @property
    def value(self) -> Fraction:
        """The number that is printed."""
        return Fraction(self.text.replace(",", ""))

    @property
    def decimals(self) -> int:
        """Decimals that the figure is rounded to."""
        return max(self.places, len(self.text.partition(".")[2]))

    @property
    def half_step(self) -> Fraction:
        """How far the figure may be from what was rounded."""
        return Fraction(1, 2 * 10**self.decimals)

    def agrees_with(self, ours: Fraction | int) -> bool:
        """Whether the engine would print this text for a value.

        Python, C and Go print the double nearest to it, rounded to the last place.
        """
        if self.decimals == 0:
            return self.value == ours
        return self.value == Fraction(f"{float(ours):.{self.decimals}f}")

    def against(self, ours: Fraction | int, why: str, explain: "Explain | None" = None) -> Checked:
        """Compare the figure with ours; if it differs, let `explain` name a cause."""
        if self.agrees_with(ours):
            return self.row(ours, AGREES, why)
        off = self.value - ours
        share = f", {float(off / ours):+.1%}" if ours else ""
        cause = explain(self) if explain else None
        hint = f"; {cause} would explain it" if cause else ""
        return self.row(ours, DIFFERS, f"{why}: off by {_amount(off)}{share}{hint}")

    def within(self, ours: int, low: int, high: int, unit: int, why: str) -> Checked:
        """Compare the figure, which is in `unit`s, with a band of bytes from `low` to `high`."""
        least, most = Fraction(low, unit) - self.half_step, Fraction(high, unit) + self.half_step
        verdict = AGREES if least <= self.value <= most else DIFFERS
        off = f": off by {_amount(self.value - Fraction(ours, unit))}" if verdict == DIFFERS else ""
        return self.row(Fraction(ours, unit), verdict, f"{why}{off}")

    def cannot(self, missing: str) -> Checked:
        """Say that the figure cannot be checked, and what is missing."""
        return self.row(None, CANNOT, missing)

    def row(self, ours: Fraction | int | None, verdict: str, why: str) -> Checked:
        """Make the row."""
        value = None if ours is None else _plain(Fraction(ours), 4)
        return Checked(self.line, self.figure, _plain(self.value, 4), value, verdict, why)


Explain = Callable[[Printed], str | None]


def in_words(changes: Changes) -> str:
    """Changes as a sentence names them."""
    return ", ".join(f"{name}={value}" for name, value in changes.items())


def either(causes: Iterable[str | None]) -> str | None:
    """Name all causes that were found."""
    return ", or ".join(filter(None, causes)) or None


def first_that_agrees(
    printed: Printed, candidates: Iterable[tuple[str, Callable[[], Fraction | int]]]
) -> str | None:
    """Name the first change with which a figure would agree, leaving out what an engine refuses."""
    for name, value in candidates:
        try:
            if printed.agrees_with(value()):
                return name
        except KvcalcError:
            continue
    return None


R = TypeVar("R")


def ruled(
    found: Iterable[Found],
    rules: Mapping[str, Callable[[R, Found], Iterable[Checked]]],
    run: R,
    without_model: R,
    given: Set[str],
) -> Iterator[Checked]:
    """Check each line by the rule of its kind.

    Raises:
        RequestError: a setting that was `given` is wrong.
    """
    for line in found:
        if (rule := rules.get(line.kind)) is not None:
            yield from or_why(partial(_of_line, rule, line), run, without_model, given)


def _of_line(rule: Callable[[R, Found], Iterable[Checked]], line: Found, run: R) -> list[Checked]:
    return list(rule(run, line))


def or_why(
    check: Callable[[R], Iterable[Checked]], run: R, without_model: R, given: Set[str]
) -> Iterator[Checked]:
    """Check figures; if the engine cannot run the model so, say that as the reason why not.

    A setting of the log that the engine does not know (a fork's, or a later release's) is such a
    reason too.

    Raises:
        RequestError: a setting that was `given` is wrong.
    """
    try:
        yield from list(check(run))
    except (UnsupportedError, TooLittleMemoryError, RequestError) as error:
        if isinstance(error, RequestError) and (error.field is None or error.field in given):
            raise
        for row in check(without_model):
            yield replace(row, why=str(error)) if row.verdict == CANNOT else row


def figures(line: Found, labels: Mapping[str, str]) -> dict[str, Printed]:
    """The figures that a line has, by the group of each; `labels` are their names."""
    return {
        name: Printed(line.line, label, line.values[name])
        for name, label in labels.items()
        if name in line.values
    }


def last(found: Sequence[Found], kind: str, name: str) -> str | None:
    """The figure of the last line of a kind that has it; None without one."""
    values = [line.values[name] for line in found if line.kind == kind and name in line.values]
    return values[-1] if values else None


def number(text: str) -> int:
    """A whole number as logs print it."""
    return int(text.replace(",", ""))


def _plain(value: Fraction, places: int) -> int | float:
    return int(value) if value.denominator == 1 else round(float(value), places)


def _amount(value: Fraction) -> str:
    return f"{_plain(value, 2):+,}"
