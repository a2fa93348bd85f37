"""Lines of bytes against context: what is drawn, on any kind of page."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from kvcalc.charts.scale import Scale, ending, tokens
from kvcalc.units import percent, plural


class Line(NamedTuple):
    """A line: what distinguishes it in words, its points, and its budget where there is one.

    `budget` is in bytes, and `ends` the longest context whose `sequences` are within it, 0 where
    none is.
    """

    labels: tuple[str, ...]
    contexts: Sequence[int]
    bytes: Sequence[int]
    sequences: int = 1
    budget: int | None = None
    ends: int | None = None

    @property
    def label(self) -> str:
        """What distinguishes it."""
        return ", ".join(self.labels)

    @property
    def rest(self) -> str:
        """What distinguishes it beside its first label."""
        return ", ".join(self.labels[1:])

    @property
    def crossing(self) -> tuple[int, int] | None:
        """The context and bytes where it meets its budget, if it does so in the picture."""
        if self.ends is None or not self.contexts[0] <= self.ends < self.contexts[-1]:
            return None
        at = max(n for n, context in enumerate(self.contexts) if context <= self.ends)
        return self.ends, self.bytes[at]


@dataclass(frozen=True)
class Lines:
    """A picture of lines: `saved` pairs the line of a larger window with that of a smaller."""

    title: str
    lines: Sequence[Line]
    saved: Sequence[tuple[int, int]] = ()
    budget: str = "budget"
    linear: bool = False
    measure: str = "cache"

    @cached_property
    def x(self) -> Scale:
        """The axis of contexts, up to where the last line ends or leaves the picture."""
        high = self.y.high
        ends = [line.contexts[0] for line in self.lines]
        for line in self.lines:
            points = zip(line.contexts, line.bytes, strict=True)
            ends.append(next((at for at, size in points if size > high), line.contexts[-1]))
        return Scale.over(ends, linear=self.linear, tight=True)

    @cached_property
    def y(self) -> Scale:
        """The axis of bytes, which has every budget on it."""
        sizes = [size for line in self.lines for size in (min(line.bytes), max(line.bytes))]
        budgets = [line.budget for line in self.lines if line.budget]
        if budgets and self.linear:  # far past them, lines only press the rest together
            sizes = [min(size, 2 * max(budgets)) for size in sizes]
        return Scale.over([*sizes, *budgets], linear=self.linear)

    def budgets(self) -> dict[int, str]:
        """Each budget, and whose it is, in words."""
        whose: dict[int, list[str]] = {}
        for line in self.lines:
            if line.budget:
                whose.setdefault(line.budget, []).append(line.labels[0])
        if len(whose) == 1:
            return dict.fromkeys(whose, self.budget)
        return {
            size: f"{self.budget}, {', '.join(dict.fromkeys(names))}"
            for size, names in whose.items()
        }

    def pairs(self, large: int, small: int) -> list[tuple[int, int, int]]:
        """The contexts of two lines, with the bytes of both."""
        upper, lower = self.lines[large], self.lines[small]
        return [*zip(upper.contexts, upper.bytes, lower.bytes, strict=True)]


def notes(of: Lines) -> list[tuple[int, str]]:
    """What is said at lines' ends: the place of each, and what it saves or where it ends."""
    said = [(large, _saves(of.pairs(large, small))) for large, small in of.saved]
    for place, line in enumerate(of.lines):
        if line.ends is not None and line.ends < line.contexts[-1]:
            which = line.rest
            counted = not which or plural(line.sequences, "sequence") in line.labels
            end = ending(line.sequences, line.ends)
            said.append((place, end if counted else f"{which}: {end}"))
    return sorted(said)


def _saves(points: Sequence[tuple[int, int, int]]) -> str:
    """Say what share is saved at the end, and where it is more, the most: once for all."""
    last = points[-1]
    best = max(points, key=lambda point: Fraction(point[1] - point[2], point[1]))
    most = f", {_share(best)} at {tokens(best[0])}" if _share(best) != _share(last) else ""
    return f"saves {_share(last)}{most}"


def _share(point: tuple[int, int, int]) -> str:
    _, before, after = point
    return percent(before - after, before)
