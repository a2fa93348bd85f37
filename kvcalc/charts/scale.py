"""Axes in the units of their amounts: ticks at powers of two, written as people do."""

from collections.abc import Iterable
from math import log2
from typing import Any, NamedTuple

from kvcalc.units import BYTE_UNITS, TOKEN_SUFFIXES, plural

MOST_TICKS = 9
LOWEST = 1
"""What a logarithmic axis shows of an amount of 0, which has no logarithm."""


class Scale(NamedTuple):
    """An axis: its first and last amount, and its ticks."""

    low: int
    high: int
    ticks: tuple[int, ...]
    linear: bool

    @classmethod
    def over(cls, amounts: Iterable[int], *, linear: bool, tight: bool = False) -> "Scale":
        """Span amounts: from 0 on a linear axis; else from a tick to a tick, unless `tight`."""
        listed = list(amounts)
        low, high = max(LOWEST, min(listed)), max(LOWEST, *listed)
        if linear:
            step = 1
            while high // step >= MOST_TICKS:
                step *= 2
            last = high if tight else -(-high // step) * step
            return cls(0, last, tuple(range(0, last + 1, step)), linear)
        first, last = low.bit_length() - 1, (high - 1).bit_length()
        if first == last:
            first, last = max(0, first - 1), last + 1
        step = -(-(last - first + 1) // MOST_TICKS)
        ticks = tuple(2**power for power in range(first, last + 1, step))
        if tight and low < high:
            return cls(low, high, tuple(tick for tick in ticks if low <= tick <= high), linear)
        return cls(2**first, 2**last, ticks, linear)

    def share(self, amount: int) -> float:
        """Say how far along the axis an amount is: 0 at its low end, and 1 at its high."""
        if self.linear:
            return (amount - self.low) / (self.high - self.low)
        return log2(max(amount, self.low) / self.low) / log2(self.high / self.low)

    def place(self, amount: int, cells: int) -> int:
        """Say which of so many cells an amount is in, from the low end on."""
        return min(cells - 1, max(0, round(self.share(amount) * (cells - 1))))

    def axis(self, field: str, title: str, label: str) -> dict[str, Any]:
        """Write the channel of a position: `label` is the expression of a tick's text."""
        kind: dict[str, Any] = {"type": "linear"} if self.linear else {"type": "log", "base": 2}
        return {
            "field": field,
            "type": "quantitative",
            "scale": {**kind, "domain": [self.low, self.high], "nice": False},
            "axis": {"title": title, "values": [*self.ticks], "labelExpr": label},
        }


def _chosen(units: Iterable[tuple[int, str]]) -> str:
    """Write the expression of a tick in the largest of units that it holds."""
    (_, least), *larger = units
    text = f"datum.value + '{least}'"
    for size, name in larger:
        text = f"datum.value >= {size} ? format(datum.value / {size}, '.4~g') + '{name}' : {text}"
    return text


TOKENS = _chosen((size, suffix) for suffix, size in TOKEN_SUFFIXES.items())
BYTES = _chosen((2 ** (10 * power), f" {unit}") for power, unit in enumerate(BYTE_UNITS))
"""Expressions of ticks, by Vega: 262144 is 256K, and 2147483648 is 2 GiB."""


def tokens(count: int) -> str:
    """Write a count of tokens shortly, rounded down: 217,088 is 212K, and 1,000 is 1,000."""
    for suffix, size in reversed(TOKEN_SUFFIXES.items()):
        if suffix and count >= size:
            tenths = 10 * count // size
            whole, tenth = divmod(tenths, 10)
            return f"{whole:,}{f'.{tenth}' if tenth else ''}{suffix}"
    return f"{count:,}"


def ending(sequences: int, count: int) -> str:
    """Say where a budget ends: "5 sequences end at 212K", or that not a token of theirs fits."""
    which, one = plural(sequences, "sequence"), sequences == 1
    if count == 0:
        return f"{which} {'does' if one else 'do'} not fit"
    return f"{which} {'ends' if one else 'end'} at {tokens(count)}"
