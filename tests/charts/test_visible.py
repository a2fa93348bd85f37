"""The points that are left out are on the lines that are drawn, as near as nobody sees."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kvcalc.charts.visible import visible

steps = st.lists(
    st.tuples(st.floats(0.01, 50), st.floats(-50, 50) | st.just(0.5)), min_size=1, max_size=60
)


def places(found: list[tuple[float, float]]) -> list[tuple[float, float]]:
    x = y = 0.0
    summed = []
    for right, up in found:
        x, y = x + right, y + up
        summed.append((x, y))
    return summed


@given(steps, st.floats(0.01, 5))
def test_what_is_left_out_is_near_the_line(found: list[tuple[float, float]], near: float) -> None:
    points = places(found)
    kept = visible(points, near)
    assert kept == sorted({*kept})
    assert (kept[0], kept[-1]) == (0, len(points) - 1)
    for first, last in pairwise(kept):
        (x, y), (x2, y2) = points[first], points[last]
        for between, height in points[first + 1 : last]:
            assert abs(y + (y2 - y) * (between - x) / (x2 - x) - height) <= near * 1.001


def test_of_a_straight_line_only_the_ends_are_kept() -> None:
    assert visible([(step, 3 * step) for step in range(1_000)]) == [0, 999]
    assert visible([(step, abs(step - 500)) for step in range(1_000)]) == [0, 500, 999]
    assert visible([(0, 0)]) == [0]
