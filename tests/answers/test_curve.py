"""The curve of hits against memory: what each size adds, and its knee."""

import pytest

import kvcalc
from kvcalc.answers.curve import placed

CURVES = {
    "no size": ([], [], [], None),
    "one size": ([5], [90], [None], None),
    "a knee": ([10, 20, 30, 40], [50, 95, 99, 100], [None, 45, 4, 1], 1),
    "in any order": ([40, 10, 30, 20], [100, 50, 99, 95], [1, None, 4, 45], 3),
    "of narrow steps": ([1, 2, 3, 4, 5], [80, 84, 88, 92, 96], [None, 4, 4, 4, 4], 3),
    "hits still rise": ([10, 20], [50, 100], [None, 50], None),
    "the smallest does": ([10, 20], [96, 100], [None, 4], 0),
    "more memory hits less": ([10, 20, 30], [50, 100, 90], [None, 50, -10], 1),
    "never full": ([None, 10, 20], [100, 10, 99], [1, None, 89], 2),
    "nothing hits": ([10, 20], [0, 0], [None, 0], None),
    "a size twice": ([20, 20], [9, 9], [None, 0], None),
}


@pytest.mark.parametrize(("sizes", "hits", "added", "knee"), CURVES.values(), ids=CURVES)
def test_a_curve(
    sizes: list[int | None], hits: list[int], added: list[int | None], knee: int | None
) -> None:
    found = placed(sizes, hits)
    assert [one.added for one in found] == added
    assert [at for at, one in enumerate(found) if one.knee] == ([] if knee is None else [knee])


def test_each_window_has_a_curve_of_its_own() -> None:
    rows = kvcalc.replay(
        kvcalc.load("k-exaone-236b-a23b"),
        "tests/oracles/traces/replay/multi_turn.jsonl",
        window=[4_096, 128],
        blocks=[997, 1_352],
    ).rows
    assert [row.added_hit_tokens for row in rows] == [None, 43_904 - 35_936, None, 71_728 - 61_200]
