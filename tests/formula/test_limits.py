"""Limits: past a limit there is no value, in Python, over arrays and in every language."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import polars
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import kvcalc
from kvcalc.costs import CONTEXT, SEQUENCES
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.formula.expression import Value, evaluated, minimum
from kvcalc.formula.formula import Formula
from kvcalc.formula.limits import Limit, limited
from kvcalc.formula.written import TARGETS, written
from tests.each import each
from tests.formula.languages.executors import (
    IN_PROCESS,
    Answers,
    Row,
    by_libreoffice,
    by_node,
    by_vega,
)
from tests.outputs.workbook.office import Office
from tests.shapes import Model, full, latent, model

KEXAONE = kvcalc.load("k-exaone-236b-a23b")
T5 = model(full(), model_type="t5")
KIMI = model(latent(), model_type="kimi_linear")
FORMULA = 4096 * CONTEXT * SEQUENCES + 7


def at_most(most: int) -> Limit:
    return Limit("sequences", SEQUENCES, most, f"at most {most}")


def divides(tokens: int) -> Limit:
    """As llama.cpp has it: so many tokens at most are dealt to the sequences evenly."""
    dealt = minimum(CONTEXT * SEQUENCES, tokens)
    rest = dealt - SEQUENCES * (dealt // SEQUENCES)
    return Limit("sequences", rest, 0, "a divisor of {:,} tokens", told=dealt)


limits = st.lists(
    st.integers(1, 300).map(at_most) | st.integers(1, 64).map(divides), min_size=1, max_size=2
).map(tuple)
rows_of_amounts = st.lists(
    st.fixed_dictionaries({"context": st.integers(1, 2**18), "sequences": st.integers(1, 300)}),
    min_size=1,
    max_size=6,
)


def own(limits: Sequence[Limit], rows: Sequence[Row]) -> Answers:
    """What a formula comes to on each row, by the words of a limit."""
    return [
        None
        if any(evaluated(limit.value, row) > limit.most for limit in limits)
        else 4096 * row["context"] * row["sequences"] + 7
        for row in rows
    ]


def formula(limits: tuple[Limit, ...]) -> Formula:
    return Formula(FORMULA, {"sequences": 1}, limits=limits)


def refusal(ask: Callable[[], Any]) -> tuple[str, Any]:
    with pytest.raises(RequestError) as refused:
        ask()
    return str(refused.value), vars(refused.value)


@given(limits, rows_of_amounts)
def test_a_number_past_a_limit_is_refused_with_its_facts(
    limits: tuple[Limit, ...], rows: list[Row]
) -> None:
    for row, expected in zip(rows, own(limits, rows), strict=True):
        if expected is not None:
            assert formula(limits)(**row) == expected
        else:
            sentence, facts = refusal(partial(formula(limits), **row))
            assert sentence.startswith(f"sequences: found {row['sequences']:,}, expected ")
            assert (facts["field"], facts["found"]) == ("sequences", row["sequences"])


@given(limits, rows_of_amounts, st.sampled_from(["int64", "object"]))
def test_an_array_is_refused_as_its_first_number_past_a_limit_is(
    limits: tuple[Limit, ...], rows: list[Row], dtype: str
) -> None:
    assume(len(limits) == 1)
    context, sequences = (
        numpy.array([row[name] for row in rows], dtype) for name in ("context", "sequences")
    )
    expected = own(limits, rows)
    if None not in expected:
        assert formula(limits)(context, sequences=sequences).tolist() == expected
    else:
        first = rows[expected.index(None)]
        assert refusal(lambda: formula(limits)(context, sequences=sequences)) == refusal(
            lambda: formula(limits)(**first)
        )


@given(limits, rows_of_amounts)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_every_language_has_no_value_past_a_limit(
    limits: tuple[Limit, ...], rows: list[Row]
) -> None:
    value = limited(FORMULA, limits, {})
    for name, answers in IN_PROCESS.items():
        assert answers(value, ("context", "sequences"), rows) == own(limits, rows), name


CASES: list[tuple[Limit, ...]] = [(at_most(256),), (divides(512),), (at_most(4), divides(6))]
ROWS: list[Row] = [
    {"context": context, "sequences": sequences}
    for context in (1, 100, 4096)
    for sequences in (1, 2, 3, 4, 6, 256, 257)
]


@pytest.mark.parametrize("execute", [by_node, by_vega])
def test_javascript_and_vega_have_no_value_past_a_limit(execute: Callable[..., Any]) -> None:
    values: list[Value] = [limited(FORMULA, limits, {}) for limits in CASES]
    found = execute(values, ("context", "sequences"), ROWS)
    assert found == [own(limits, ROWS) for limits in CASES]


def test_a_spreadsheet_has_no_value_past_a_limit(office: Office, tmp_path: Path) -> None:
    values: list[Value] = [limited(FORMULA, limits, {}) for limits in CASES]
    found = by_libreoffice(values, ("context", "sequences"), ROWS, office, tmp_path)
    assert found == [own(limits, ROWS) for limits in CASES]


@pytest.mark.parametrize(
    ("of", "given", "most"),
    [
        (KEXAONE, {}, 256),
        (KEXAONE, {"kv_unified": True}, 256),
        (T5, {}, 1),
        (T5, {"kv_unified": True}, 256),
        (KIMI, {}, 256),
    ],
)
def test_a_cost_says_how_many_sequences_its_engine_runs(
    of: Model, given: dict[str, Any], most: int
) -> None:
    assert kvcalc.cost(of, "llama.cpp", **given).max_sequences == most


@pytest.mark.parametrize("engine", ["ideal", "transformers", "vllm", "sglang", "mlx"])
def test_other_engines_set_no_limit(engine: str) -> None:
    assert kvcalc.cost(KEXAONE, engine).max_sequences is None


def test_llama_cpps_cost_takes_arrays_of_sequences() -> None:
    cost = kvcalc.cost(KEXAONE, "llama.cpp")
    found = cost(8192, sequences=numpy.array([1, 2]))
    assert found.tolist() == [cost(8192), cost(8192, sequences=2)]
    assert refusal(lambda: cost(8192, sequences=numpy.array([1, 300]))) == refusal(
        lambda: cost(8192, sequences=300)
    )


def test_a_row_past_a_limit_is_null_in_polars() -> None:
    cost = kvcalc.cost(KEXAONE, "llama.cpp")
    frame = polars.DataFrame({"context": [8192, 8192, 8192], "n": [1, 256, 257]})
    found = frame.with_columns(bytes=cost.expr(sequences="n"))["bytes"]
    assert found.to_list() == [cost(8192), cost(8192, sequences=256), None]


def test_a_value_past_a_limit_is_refused_where_a_formula_is_written() -> None:
    limits = (Limit("width", CONTEXT * 0 + 300, 256, "at most 256"),)
    past = Formula(FORMULA, {"sequences": 1, "width": 300}, limits=limits)
    assert refusal(past.polars)[0] == "width: found 300, expected at most 256"
    assert refusal(lambda: written(past, "sql"))[0] == "width: found 300, expected at most 256"
    most = (Limit("width", CONTEXT * 0 + 256, 256, "at most 256"),)
    at_most_256 = Formula(FORMULA, {"sequences": 1, "width": 256}, limits=most)
    assert (
        written(at_most_256, "sql").text == written(Formula(FORMULA, {"sequences": 1}), "sql").text
    )


@each("target", TARGETS)
def test_a_written_formula_says_its_limit(target: str) -> None:
    found = written(kvcalc.cost(KEXAONE, "llama.cpp").formula, target)
    assert found.exact.endswith("; no value unless sequences <= 256")
    assert "256" in found.text
    assert "no value" not in written(kvcalc.cost(KEXAONE, "vllm").formula, target).exact


def test_a_limit_is_part_of_what_a_formula_is() -> None:
    assert formula((at_most(4),)) == formula((at_most(4),))
    assert formula((at_most(4),)) != formula((at_most(5),))


def test_a_context_and_sequences_of_a_batch_that_is_not_dealt_evenly_are_named() -> None:
    cost = kvcalc.cost(KIMI, "llama.cpp", ubatch_size=6)
    assert cost(1000, sequences=3) > 0
    with pytest.raises(KvcalcError, match="a divisor of the micro-batch of 6 tokens"):
        cost(1000, sequences=4)
