"""How large an expression's parts can become: interval arithmetic over its variables' bounds."""

from collections.abc import Mapping
from typing import NamedTuple

from kvcalc.errors import RequestError
from kvcalc.formula.expression import FOLD, Value


class Bounds(NamedTuple):
    """The least and the greatest that a value can be, both ints and inclusive."""

    low: int
    high: int


class Extent(NamedTuple):
    """An expression's own bounds, and those of its largest parts.

    `magnitude` is the greatest absolute value of any part, `divided` that of any dividend, and
    `least_divided` the least value of a dividend.
    """

    value: Bounds
    magnitude: int
    divided: int
    least_divided: int


def extent(value: Value, variables: Mapping[str, Bounds]) -> Extent:
    """Find the bounds of an expression and of its parts.

    Raises:
        RequestError: a variable has no bounds, or a divisor may be 0.
    """
    low, high, magnitude, divided, least_divided = _reached(value, variables)
    return Extent(Bounds(low, high), magnitude, divided, least_divided)


def _reached(value: Value, variables: Mapping[str, Bounds]) -> tuple[int, int, int, int, int]:
    """An extent's numbers: a workbook asks for those of a hundred thousand nodes."""
    if isinstance(value, int):
        return value, value, abs(value), 0, 0
    kind = value.kind
    if kind == "variable":
        if value.name not in variables:
            raise RequestError.about(value.name, "has no bounds")
        low, high = variables[value.name]
        return low, high, max(abs(low), abs(high)), 0, 0
    left, right = value.operands
    low, high, magnitude, divided, least_divided = _reached(left, variables)
    other_low, other_high, *others = _reached(right, variables)
    reached = max(abs(low), abs(high))
    if kind in ("floordiv", "cdiv", "ceil"):
        if other_low < 1:
            raise RequestError(f"{value}: divides by what may be less than 1", field="formula")
        # cdiv and ceil are written with the divisor less 1 added to what is divided.
        reached += other_high - 1
        divided, least_divided = max(reached, divided), min(low, least_divided)
    low, high = _of(kind, low, high, other_low, other_high)
    return (
        low,
        high,
        max(abs(low), abs(high), reached, magnitude, others[0]),
        max(divided, others[1]),
        min(least_divided, others[2]),
    )


def _of(kind: str, low: int, high: int, other_low: int, other_high: int) -> tuple[int, int]:
    if kind == "add":
        return low + other_low, high + other_high
    if kind == "sub":
        return low - other_high, high - other_low
    if kind in ("min", "max"):
        return FOLD[kind](low, other_low), FOLD[kind](high, other_high)
    if kind == "where":
        return low, high
    if kind == "at_most":
        return 0, 1
    if kind == "mul":
        corners = [a * b for a in (low, high) for b in (other_low, other_high)]
    else:
        corners = [FOLD[kind](a, b) for a in (low, high) for b in (other_low, other_high)]
    if kind == "ceil":
        # Not monotone in the multiple: the next multiple is less than one multiple away.
        corners += [low, high + max(0, other_high - 1)]
    return min(corners), max(corners)
