"""The table people read: boxed in a terminal, plain in a pipe, and never cut."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

import kvcalc
from kvcalc.answers.estimate import estimate
from kvcalc.answers.models import ModelRow
from kvcalc.outputs.page import Page
from kvcalc.outputs.pages.estimate import estimate_page
from kvcalc.outputs.pages.models import models_page
from kvcalc.outputs.pages.sweep import sweep_page
from kvcalc.outputs.terminal import draw

KEXAONE = kvcalc.load("k-exaone-236b-a23b")
WIDTHS = [80, 120, 200, None]


def shown(text: str) -> str:
    """What is left when a terminal has obeyed the codes for bold and the like."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def sweep() -> Page:
    return sweep_page(kvcalc.sweep(KEXAONE))


PAGES = {
    "sweep": sweep(),
    "sweep of one window": sweep_page(kvcalc.sweep(KEXAONE, window=128)),
    "sweep without windows": sweep_page(kvcalc.sweep(kvcalc.load("deepseek-v3"))),
    "estimate": estimate_page(estimate(KEXAONE), context_is_maximum=True),
    "estimate over ranks": estimate_page(
        estimate(KEXAONE, context=8192, sequences=16, window=4096, tensor_parallel_size=4)
    ),
    "models": models_page(
        [
            ModelRow(
                *("k-exaone-236b-a23b", "36 sliding + 12 full"),
                *(262_144, 236 * 10**9, 23 * 10**9, 196_608, 0),
            ),
            ModelRow("mixtral-8x7b", "32 full", 32_768, 46_700_000_000, 12_900_000_000, 131_072, 0),
            ModelRow("unknown", "1 full + 1 mamba", None, None, None, 4_096, 1_097_728),
        ]
    ),
}


@pytest.mark.parametrize("width", WIDTHS, ids=["80", "120", "200", "piped"])
@pytest.mark.parametrize("page", PAGES)
def test_what_people_see(page: str, width: int | None, snapshot: SnapshotAssertion) -> None:
    assert shown(draw(PAGES[page], width)) == snapshot


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_the_window(page: str, width: int) -> None:
    lines = shown(draw(PAGES[page], width)).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_of_a_page_is_whole_at_every_width(width: int | None) -> None:
    text = shown(draw(sweep(), width))
    for row in kvcalc.sweep(KEXAONE):
        assert f"{row.bytes:,}" in text
        assert f"{row.full_attention_bytes:,}" in text


def test_a_window_too_narrow_for_a_row_cuts_nothing() -> None:
    text = shown(draw(sweep(), 20))
    assert "13,488,881,664" in text
    assert "…" not in text


def test_a_pipe_gets_no_box_no_codes_and_one_line_a_row() -> None:
    text = draw(sweep(), None)
    assert text.isascii()
    assert "\x1b" not in text
    assert sum(line.startswith(("  8,192 ", " 32,768 ", "131,072 ")) for line in text.splitlines())
    assert len([line for line in text.splitlines() if "GiB" in line]) == 4


def test_a_pipe_gets_no_codes_even_where_colour_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in draw(sweep(), None)


@given(st.lists(st.integers(0, 10**40), min_size=1, max_size=4), st.sampled_from(WIDTHS))
def test_amounts_of_any_size_are_never_cut(amounts: list[int], width: int | None) -> None:
    page = Page("Title", ("bytes",) * len(amounts), (tuple(f"{a:,}" for a in amounts),))
    text = shown(draw(page, width))
    assert all(f"{amount:,}" in text for amount in amounts)


WORDS = st.text(st.sampled_from("ab ,/"), max_size=90)
WIDEST = 10**30 - 1
"""39 columns with its commas, where the narrowest window has 40."""
ROWS = st.lists(
    st.tuples(WORDS, WORDS, st.integers(0, WIDEST), st.integers(0, 10**9)), min_size=1, max_size=3
)


@given(ROWS, st.integers(40, 200))
@example([("a", "b", WIDEST, 0)], 40)
def test_any_page_fits_a_window_as_wide_as_its_amounts(
    rows: list[tuple[str, str, int, int]], width: int
) -> None:
    """Words fold and columns drop to further lines, but nothing of either is lost."""
    cells = tuple((name, said, f"{large:,}", f"{small:,}") for name, said, large, small in rows)
    page = Page("Title", ("name", "what is said of it", "bytes", "tokens"), cells, 2)
    text = shown(draw(page, width))
    assert max(map(len, text.splitlines())) <= width
    assert all(amount in text for _name, _said, *amounts in cells for amount in amounts)
    letters = "".join(name + said for name, said, *_ in cells)
    written = text.partition("─\n")[2]
    assert sorted(re.findall("[ab]", written)) == sorted(re.findall("[ab]", letters))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "text", ["[bold red]x[/]", "[/]", "[link=https://example.org]x[/link]", ":warning:", "\\[x]"]
)
def test_text_is_never_markup(text: str, width: int | None) -> None:
    page = Page(text, ("name", text), ((text, text),), 1, (text,))
    assert shown(draw(page, width)).count(text) == 5


def test_the_savings_are_told_twice() -> None:
    rows = {
        line.split()[0]: re.findall(r"[0-9.]+ %", line)
        for line in draw(sweep(), None).splitlines()
        if line.endswith(" %")
    }
    assert rows == {
        "8,192": ["96.9 %", "58.1 %"],
        "32,768": ["96.9 %", "26.4 %"],
        "131,072": ["96.9 %", "8.3 %"],
        "262,144": ["96.9 %", "4.3 %"],
    }


def test_nothing_is_said_to_be_saved_by_one_window() -> None:
    assert "saved" not in draw(PAGES["sweep of one window"], None)


def test_what_is_saved_is_of_the_larger_window_whichever_comes_first() -> None:
    ordered = kvcalc.sweep(KEXAONE, context=8192, window=[4096, 128])
    turned = kvcalc.sweep(KEXAONE, context=8192, window=[128, 4096])
    for rows in (ordered, turned):
        assert sweep_page(rows).rows[0][-2:] == ("96.9 %", "58.1 %")
