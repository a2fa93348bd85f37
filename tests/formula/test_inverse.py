"""From bytes back to tokens: exact, within 100 evaluations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.costs import CONTEXT
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import Value, cdiv, ceil, maximum, minimum
from kvcalc.formula.formula import Formula
from kvcalc.formula.inverse import MAX_EVALUATIONS, UNBOUNDED, largest, periods_of
from kvcalc.readers import load
from tests import shapes
from tests.each import each


class Counted:
    """A threshold that counts how often it was asked."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.calls = 0

    def __call__(self, amount: int) -> bool:
        self.calls += 1
        return amount <= self.last


@given(st.integers(0, UNBOUNDED), st.integers(1, UNBOUNDED))
def test_the_largest_amount_is_found_within_100_evaluations(last: int, most: int) -> None:
    fits = Counted(last)
    assert largest(fits, most) == min(last, most)
    assert fits.calls <= MAX_EVALUATIONS


def test_more_than_100_evaluations_are_refused() -> None:
    with pytest.raises(KvcalcError, match="not found within 100 evaluations"):
        largest(lambda amount: True, 2**200)


V4 = "tests/oracles/configs/deepseek-ai--DeepSeek-V4-Flash.json"


@given(st.integers(1, 20_000), st.integers(0, 10**6))
def test_deepseek_v4_on_transformers_is_searched_over_its_periods(context: int, more: int) -> None:
    cost = kvcalc.cost(load(V4), engine="transformers")
    memory = cost(context) + more
    periods = periods_of(cost.per_gpu)
    assert periods == (128, 4)
    calls = Counted(0)

    def fits(tokens: int) -> bool:
        calls(tokens)
        return bool(cost(tokens) <= memory)

    found = largest(fits, UNBOUNDED, periods)
    assert calls.calls <= MAX_EVALUATIONS
    assert cost(found) <= memory
    assert found >= context
    assert all(cost(found + more) > memory for more in range(1, 300))


@each(
    ("expression", "periods"),
    [
        (12 * CONTEXT + 5, ()),
        (minimum(CONTEXT, 128) + ceil(CONTEXT, 256) + cdiv(CONTEXT, 3), ()),
        (maximum(CONTEXT - 2, 0), ()),
        (CONTEXT - 128 * (CONTEXT // 128), (128,)),
        (CONTEXT - 128 * (CONTEXT // 128) + 9 * (CONTEXT - 4 * (CONTEXT // 4)), (128, 4)),
        (5 - (5 - CONTEXT), ()),
        # Neither falls, which only trying them shows: the first has a remainder in it.
        (maximum(5 * CONTEXT, CONTEXT - 64 * (CONTEXT // 64) - (7 - CONTEXT)), ()),
    ],
)
def test_the_periods_of_a_cost(expression: Value, periods: tuple[int, ...]) -> None:
    assert periods_of(Formula(expression, {})) == periods


@pytest.mark.parametrize(
    "expression",
    [
        100_000 - CONTEXT,
        100_000 // CONTEXT,
        -3 * CONTEXT,
        CONTEXT - 4 * (CONTEXT // 4) + CONTEXT - 6 * (CONTEXT // 6),
    ],
)
def test_a_cost_that_falls_otherwise_is_refused(expression: Value) -> None:
    with pytest.raises(KvcalcError, match="the cost falls as it grows"):
        periods_of(Formula(expression, {}))


@given(shapes.models())
def test_ideal_never_falls(model: kvcalc.Model) -> None:
    assert periods_of(kvcalc.cost(model).per_gpu) == ()
