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
    if isinstance(value, int):
        return Extent(Bounds(value, value), abs(value), 0, 0)
    if value.kind == "variable":
        if value.name not in variables:
            raise RequestError.about(value.name, "has no bounds")
        own = variables[value.name]
        return Extent(own, max(map(abs, own)), 0, 0)
    parts = [extent(operand, variables) for operand in value.operands]
    (low, high), (other_low, other_high) = (part.value for part in parts)
    divides = value.kind in ("floordiv", "cdiv", "ceil")
    if divides and other_low < 1:
        raise RequestError(f"{value}: divides by what may be less than 1", field="formula")
    own = _of(value.kind, low, high, other_low, other_high)
    # cdiv and ceil are written with the divisor less 1 added to what is divided.
    reached = max(abs(low), abs(high)) + (other_high - 1 if divides else 0)
    return Extent(
        value=own,
        magnitude=max(*map(abs, own), reached, *(part.magnitude for part in parts)),
        divided=max(reached if divides else 0, *(part.divided for part in parts)),
        least_divided=min(low if divides else 0, *(part.least_divided for part in parts)),
    )


def _of(kind: str, low: int, high: int, other_low: int, other_high: int) -> Bounds:
    if kind == "where":
        return Bounds(low, high)
    if kind == "at_most":
        return Bounds(0, 1)
    if kind == "add":
        return Bounds(low + other_low, high + other_high)
    if kind == "sub":
        return Bounds(low - other_high, high - other_low)
    if kind == "mul":
        corners = [a * b for a in (low, high) for b in (other_low, other_high)]
    else:
        corners = [FOLD[kind](a, b) for a in (low, high) for b in (other_low, other_high)]
    if kind == "ceil":
        # Not monotone in the multiple: the next multiple is less than one multiple away.
        corners += [low, high + max(0, other_high - 1)]
    return Bounds(min(corners), max(corners))
