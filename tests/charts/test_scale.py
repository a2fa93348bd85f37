"""Axes: their ticks, the places of amounts, and amounts as people write them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.charts.sampling import spaced
from kvcalc.charts.scale import MOST_TICKS, Scale, ending, tokens
from tests.each import each

amounts = st.lists(st.integers(0, 2**60), min_size=1, max_size=6)


@given(amounts, st.booleans(), st.booleans(), st.integers(2, 500))
def test_an_axis_holds_its_amounts_in_their_order(
    found: list[int], linear: bool, tight: bool, cells: int
) -> None:
    scale = Scale.over(found, linear=linear, tight=tight)
    assert scale.low <= max(1, min(found))
    assert scale.high >= max(found)
    assert 1 <= len(scale.ticks) <= MOST_TICKS + 1 or tight
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)
    places = [scale.place(amount, cells) for amount in sorted(found)]
    assert places == sorted(places)
    assert (scale.place(scale.low, cells), scale.place(scale.high, cells)) == (0, cells - 1)


@each(
    ("found", "linear", "ticks"),
    [
        ([1024, 262_144], False, [2**power for power in range(10, 19)]),
        ([1000, 262_144], True, [32_768 * step for step in range(9)]),
        ([2**26, 48 * 2**30], False, [2**26, 2**28, 2**30, 2**32, 2**34, 2**36]),
        ([5], False, [4, 8]),
        ([8], False, [4, 8, 16]),
        ([0], True, [0, 1]),
    ],
)
def test_ticks_are_powers_of_two(found: list[int], linear: bool, ticks: list[int]) -> None:
    assert [*Scale.over(found, linear=linear).ticks] == ticks


@each(
    ("count", "text"),
    [
        (1, "1"),
        (1_000, "1,000"),
        (1_024, "1K"),
        (31_400, "30.6K"),
        (217_088, "212K"),
        (1_048_575, "1,023.9K"),
        (1_048_576, "1M"),
        (3 * 2**29, "1.5G"),
    ],
)
def test_tokens_are_rounded_down(count: int, text: str) -> None:
    assert tokens(count) == text


def test_an_end_is_a_sentence() -> None:
    assert ending(5, 217_088) == "5 sequences end at 212K"
    assert ending(1, 217_088) == "1 sequence ends at 212K"
    assert ending(1, 0) == "1 sequence does not fit"
    assert ending(5, 0) == "5 sequences do not fit"


@given(
    st.integers(1, 2**40),
    st.integers(0, 2**40),
    st.integers(2, 300),
    st.booleans(),
    st.sets(st.integers(1, 2**41), max_size=5),
)
def test_contexts_are_spaced_over_their_range(
    low: int, more: int, points: int, linear: bool, also: set[int]
) -> None:
    high = low + more
    found = spaced(low, high, points=points, linear=linear, also=also)
    assert list(found) == sorted({*found})
    assert (found[0], found[-1]) == (low, high)
    assert {tokens for tokens in also if low <= tokens <= high} <= {*found}
    assert len(found) <= points + len(also) + high.bit_length()


@pytest.mark.parametrize("linear", [True, False])
def test_no_step_of_a_curve_is_wider_than_its_share(linear: bool) -> None:
    found = spaced(1_000, 1_000_000, points=100, linear=linear)
    steps = [b - a if linear else b / a for a, b in pairwise(found)]
    assert max(steps) <= (10_100 if linear else 1.08)
