"""When a printed figure agrees with a value: where the value would be printed so."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.engines import ENGINES, find, logs
from kvcalc.engines.log import AGREES, DIFFERS, Printed, Subject, in_words, pattern
from kvcalc.errors import RequestError
from tests.each import each
from tests.engines.log_lines import UNSEEN
from tests.engines.test_server_laws import DRAWN


@each(
    ("text", "places", "value", "agrees"),
    [
        ("2.47", 0, Fraction("2.4711"), True),
        ("2.48", 0, Fraction("2.4711"), False),
        ("2.48", 0, Fraction("2.4751"), True),
        ("2.48", 0, Fraction("2.4849"), True),
        ("2.48", 0, Fraction("2.4851"), False),
        ("0.12", 0, Fraction(1, 8), True),
        ("0.13", 0, Fraction(1, 8), False),
        ("0.38", 0, Fraction(3, 8), True),
        ("24.0", 0, Fraction("24.04"), True),
        ("24.0", 2, Fraction("24.04"), False),
        ("24", 2, Fraction("24.004"), True),
        ("715,072", 0, 715_072, True),
        ("715,072", 0, 715_073, False),
        ("7", 0, Fraction("7.4"), False),
    ],
)
def test_a_figure_agrees_with_what_is_printed_so(
    text: str, places: int, value: Fraction | int, agrees: bool
) -> None:
    assert Printed(1, "a figure", text, places).agrees_with(value) is agrees


@given(st.integers(0, 2**60), st.integers(1, 4))
def test_whatever_is_printed_agrees_and_its_neighbours_differ(size: int, places: int) -> None:
    printed = f"{size / 2**30:.{places}f}"
    step = Fraction(1, 10**places)
    value = Fraction(size, 2**30)
    assert Printed(1, "", printed).against(value, "").verdict == AGREES
    for off in (step, -step):
        other = f"{float(Fraction(printed) + off):.{places}f}"
        if not other.startswith("-"):
            assert Printed(1, "", other).against(value, "").verdict == DIFFERS


def test_a_row_says_by_how_much_a_figure_is_off() -> None:
    row = Printed(3, "K size (GiB)", "8.23").against(Fraction("8.5"), "why", lambda _: "tp=2")
    assert (row.line, row.printed, row.ours, row.verdict) == (3, 8.23, 8.5, DIFFERS)
    assert row.why == "why: off by -0.27, -3.2%; tp=2 would explain it"


@each(
    ("said", "given_", "causes"),
    [
        ({}, (), (["tp=1", "tp=2", "page=64", "tp=2, page=64"], [])),
        ({"tp": 1}, (), (["page=64"], [])),
        ({"tp": 1}, ("tp",), (["page=64"], ["tp=1", "tp=2"])),
        ({"tp": 1, "page": 16}, ("tp",), ([], ["tp=1", "tp=2"])),
    ],
)
def test_what_the_log_says_is_no_cause_and_what_the_user_gave_is_one_by_itself(
    said: dict[str, int], given_: tuple[str, ...], causes: tuple[list[str], ...]
) -> None:
    changes: list[dict[str, int]] = [{"tp": 1}, {"tp": 2}, {"page": 64}, {"tp": 2, "page": 64}]
    found = Subject(settings=said, given=frozenset(given_)).causes(changes, said.keys())
    assert tuple([*map(in_words, of)] for of in found) == causes


def test_a_space_of_a_pattern_stands_for_any_number_of_spaces() -> None:
    assert pattern("a kind", "K", "K = (?P<k>[0-9])").regex.search("xK  =\t7")


@each("value", ["x", "0", "-1", "1" * 99, "1.5"])
def test_a_setting_beside_the_engines_own_is_a_positive_whole_number(value: str) -> None:
    with pytest.raises(RequestError, match=r"n_ctx: found .*, expected a whole number"):
        Subject(settings={"n_ctx": value}).number("n_ctx", default=1)
    assert Subject().number("n_ctx", default=7) == 7
    assert Subject(settings={"n_ctx": "8,192"}).number("n_ctx", default=7) == 8192


def test_each_log_is_of_an_engine_and_names_settings_that_it_has() -> None:
    assert list(logs()) == [name for name in ENGINES if name in logs()]
    for name, log in logs().items():
        own = {*find(name).settings.model_fields, *log.beside, "context", "sequences"}
        assert {*log.spellings.values()} <= own, name
        assert not {*log.spellings} & own, name
        assert {*log.configured} <= own | {*log.spellings}, name
        assert len({line.kind for line in log.patterns}) > 4


WITHOUT_FIGURES = {
    "tensorrt-llm": "no cost and no pool give lines to print: test_tensorrt_llm.py has posted ones",
}


def test_every_setting_is_drawn_where_an_engines_log_is_printed_of_its_own_figures() -> None:
    """`requests` draws what stands in DRAWN but not in UNSEEN: together they are all settings."""
    assert logs().keys() == UNSEEN.keys() | WITHOUT_FIGURES.keys()
    for name, reasons in UNSEEN.items():
        assert DRAWN[name].keys() == find(name).settings.model_fields.keys()
        assert reasons.keys() < DRAWN[name].keys()
