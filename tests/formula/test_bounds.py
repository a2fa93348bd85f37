"""Interval arithmetic: no value of a part is ever outside its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.errors import KvcalcError
from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import (
    Expression,
    Value,
    cdiv,
    ceil,
    maximum,
    minimum,
    substituted,
    variable,
)
from tests.each import each
from tests.formula.languages.test_agreement import NAMES, expressions

ends = st.tuples(st.integers(1, 2**20), st.integers(1, 2**20)).map(lambda two: Bounds(*sorted(two)))


@given(expressions, st.fixed_dictionaries(dict.fromkeys(NAMES, ends)), st.data())
def test_a_value_lies_within_its_bounds(
    value: Value, bounds: dict[str, Bounds], data: st.DataObject
) -> None:
    row = {name: data.draw(st.integers(*ends)) for name, ends in bounds.items()}
    answer = substituted(value, row)
    found = extent(value, bounds)
    assert isinstance(answer, int)
    assert found.value.low <= answer <= found.value.high
    assert found.magnitude >= abs(answer)


def test_what_is_divided_counts_its_rounding() -> None:
    context = variable("context")
    found = extent((context + 5) // 16, {"context": Bounds(1, 100)})
    assert found == (Bounds(0, 6), 120, 120, 0)


x, y = variable("x"), variable("y")
BOUNDS = {"x": Bounds(3, 100), "y": Bounds(2, 16)}


@each(
    ("value", "low", "high"),
    [
        (x + y, 5, 116),
        (x - y, -13, 98),
        (x * y, 6, 1600),
        ((x - 50) * y, -752, 800),
        ((x - 50) * (y - 5), -517, 550),
        (x // y, 0, 50),
        ((x - 50) // y, -24, 25),
        (cdiv(x, y), 1, 50),
        (minimum(x, y), 2, 16),
        (maximum(x, y), 3, 100),
        (ceil(x, 16), 3, 115),
        (ceil(x, y), 3, 115),
        (Expression("at_most", (x, y)), 0, 1),
        (Expression("where", (x, Expression("at_most", (x, y)))), 3, 100),
    ],
)
def test_bounds_are_those_of_the_corners(value: Value, low: int, high: int) -> None:
    """The next multiple is less than one multiple away, and is not the greatest at a corner."""
    assert extent(value, BOUNDS).value == (low, high)


def test_a_variable_without_bounds_is_named() -> None:
    with pytest.raises(KvcalcError, match="context: has no bounds"):
        extent(variable("context") + 1, {})
