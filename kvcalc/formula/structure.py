"""A formula's structure apart from its numbers: many models share the one and differ in the other.

The formulas of one engine are alike: what differs from model to model, between element types and
between numbers of ranks is mostly their ints. So a file that holds many formulas holds each
structure once, and for each formula which structure it has, and with which numbers.
"""

from typing import NamedTuple

from kvcalc.formula.expression import Expression, Value, variable


class Structured(NamedTuple):
    """A structure, whose variables p0, p1 ... stand for the numbers; equal numbers share one."""

    structure: Value
    numbers: tuple[int, ...]


def number_name(place: int) -> str:
    """The variable that stands for the number at a place."""
    return f"p{place}"


def structured(value: Value) -> Structured:
    """Part an expression into its structure and its numbers; nothing is folded or merged."""
    numbers: dict[int, Expression] = {}

    def without(part: Value) -> Value:
        if isinstance(part, int):
            return numbers.setdefault(part, variable(number_name(len(numbers))))
        if part.kind == "variable":
            return part
        return Expression(part.kind, tuple(map(without, part.operands)))

    return Structured(without(value), tuple(numbers))
