"""Lines in a terminal: told apart by their signs, and never wider than it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

import kvcalc
from kvcalc.charts.lines import Line, Lines
from kvcalc.outputs.plot.terminal import LEAST, draw

EXAONE = kvcalc.load("k-exaone-236b-a23b")
LLAMA = kvcalc.load("llama-3.1-8b")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_what_people_see(snapshot: SnapshotAssertion) -> None:
    several = kvcalc.plot(EXAONE, engine=["ideal", "vllm", "sglang"])
    ending = kvcalc.plot(LLAMA, engine=["vllm"], gpu="rtx-4090", sequences=[1, 5], linear=True)
    assert draw(several.lines, 80) == snapshot
    assert draw(ending.lines, 80) == snapshot


@pytest.mark.parametrize("width", [20, 40, 80, 119, 300])
def test_colours_change_no_sign_and_no_line_is_too_wide(width: int) -> None:
    of = kvcalc.plot(EXAONE, engine=["ideal", "vllm"], gpu="h200", gpus=4).lines
    plainly = draw(of, width)
    coloured = draw(of, width, colours=True)
    assert COLOUR.search(coloured)
    assert not COLOUR.search(plainly)
    assert [line.rstrip() for line in COLOUR.sub("", coloured).splitlines()] == plainly.splitlines()
    assert max(map(len, plainly.splitlines())) <= max(width, LEAST)


lines = st.lists(
    st.lists(st.integers(0, 2**60), min_size=2, max_size=8).map(
        lambda sizes: Line(("x" * 9,), [*range(1, len(sizes) + 1)], sizes, budget=sizes[0])
    ),
    min_size=1,
    max_size=15,
)


@given(lines, st.booleans(), st.integers(0, 200))
def test_any_lines_can_be_drawn(of: list[Line], linear: bool, width: int) -> None:
    drawn = draw(Lines("title", of, linear=linear), width)
    assert max(map(len, drawn.splitlines())) <= max(width, LEAST)
    assert "●" in drawn


def test_control_codes_of_a_name_are_not_obeyed() -> None:
    of = Lines("a\x1b[2J", [Line(("b\x1b[2J",), [1, 2], [3, 4])])
    assert "\x1b" not in draw(of, 80)
