"""Interval arithmetic: no value of a part is ever outside its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.errors import KvcalcError
from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import Value, substituted, variable
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


def test_a_variable_without_bounds_is_named() -> None:
    with pytest.raises(KvcalcError, match="context: has no bounds"):
        extent(variable("context") + 1, {})
