"""Every rendering of a formula agrees with its own evaluation, executed for real."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import kvcalc
from kvcalc import engines
from kvcalc.catalogue import models
from kvcalc.errors import KvcalcError
from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import (
    Value,
    cdiv,
    ceil,
    evaluated,
    maximum,
    minimum,
    substituted,
    variable,
    variables_of,
)
from kvcalc.formula.formula import Formula
from kvcalc.formula.languages import excel, vega
from kvcalc.formula.written import TARGETS, written
from tests.each import each
from tests.formula.languages.executors import IN_PROCESS, Row, by_libreoffice, by_node, by_vega
from tests.outputs.workbook.office import Office

NAMES = ("context", "sequences", "width")
MOST = 2**31
ONES: list[Row] = [dict.fromkeys(NAMES, 1)]

amounts = st.integers(1, MOST) | st.sampled_from([1, 2, 15, 16, 17, 128, 4096, 262_144])
rows_of_amounts = st.lists(
    st.fixed_dictionaries(dict.fromkeys(NAMES, amounts)), min_size=1, max_size=5
)
leaves = st.integers(1, 2**20) | st.sampled_from(NAMES).map(variable)
divisors = st.integers(1, 2**12) | st.sampled_from(NAMES).map(variable)


def grown(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    pairs = st.tuples(inner, inner)
    divided = st.tuples(inner, divisors)
    return st.one_of(
        pairs.map(lambda two: two[0] + two[1]),
        pairs.map(lambda two: two[0] * two[1]),
        pairs.map(lambda two: minimum(*two)),
        pairs.map(lambda two: maximum(*two)),
        pairs.map(lambda two: maximum(*two) - minimum(*two)),
        pairs.map(lambda two: two[0] - two[1]),
        divided.map(lambda two: two[0] // two[1]),
        divided.map(lambda two: cdiv(*two)),
        divided.map(lambda two: ceil(*two)),
    )


expressions = st.recursive(leaves, grown, max_leaves=12)


def own(value: Value, rows: Sequence[Row]) -> list[int]:
    found = []
    for row in rows:
        answer = substituted(value, row)
        assert isinstance(answer, int)
        found.append(answer)
    return found


def reach(value: Value, rows: Sequence[Row]) -> tuple[int, int]:
    """The greatest magnitude in a formula over these rows, and the greatest that is divided."""
    found = [
        extent(value, {name: Bounds(amount, amount) for name, amount in row.items()})
        for row in rows
    ]
    return max(one.magnitude for one in found), max(one.divided for one in found)


@given(expressions, rows_of_amounts)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_random_formulas_agree_in_this_process(value: Value, rows: list[Row]) -> None:
    assume(reach(value, rows)[0] < 2**62)
    expected = own(value, rows)
    for language, execute in IN_PROCESS.items():
        assert execute(value, NAMES, rows) == expected, language


def various(values: Sequence[Value]) -> bool:
    """Whether formulas are worth the start of a program: the first that are drawn are all alike."""
    return len(set(values)) > len(values) // 2


@given(st.lists(expressions, min_size=60, max_size=60), rows_of_amounts)
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
def test_random_formulas_agree_in_javascript(values: list[Value], rows: list[Row]) -> None:
    assume(various(values))
    assert by_node(values, NAMES, rows) == [own(value, rows) for value in values]


@given(st.lists(expressions, min_size=60, max_size=60), rows_of_amounts)
@settings(max_examples=2, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_random_formulas_are_exact_or_null_in_vega(values: list[Value], rows: list[Row]) -> None:
    assume(various(values))
    fitting = [value for value in values if reach(value, ONES)[0] < vega.LIMIT]
    for value, answers in zip(fitting, by_vega(fitting, NAMES, rows), strict=True):
        for row, found, expected in zip(rows, answers, own(value, rows), strict=True):
            assert found == expected or (found is None and reach(value, [row])[0] >= vega.LIMIT)


@given(st.lists(expressions, min_size=60, max_size=60), rows_of_amounts)
@settings(max_examples=1, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_random_formulas_agree_in_a_spreadsheet(
    office: Office, tmp_path_factory: pytest.TempPathFactory, values: list[Value], rows: list[Row]
) -> None:
    assume(various(values))
    exact = []
    for value in values:
        magnitude, divided = reach(value, rows)
        if magnitude <= excel.MAX_EXACT and divided < excel.MAX_DIVIDED:
            exact.append(value)
    folder = tmp_path_factory.mktemp("formulas")
    found = by_libreoffice(exact, NAMES, rows, office, folder)
    assert found == [own(value, rows) for value in exact]


MODELS = {
    "K-EXAONE": "k-exaone-236b-a23b",
    "gpt-oss": "gpt-oss-20b",
    "DeepSeek-V3": "deepseek-v3",
    "Qwen3.5": "tests/oracles/configs/Qwen--Qwen3.5-27B.json",
}
SLOTS: dict[str, dict[str, Any]] = {"exllamav3": {"autosplit_max_batch_size": 7}}
"""Settings without which an engine does not run as many sequences."""
CONTEXTS = (1, 127, 128, 1_000, 8_192, 131_072, 262_144)


def engine_formulas() -> list[tuple[str, Formula]]:
    found = []
    for model in MODELS.values():
        for engine in engines.ENGINES:
            try:
                cost = kvcalc.cost(kvcalc.load(model), engine, **SLOTS.get(engine, {}))
            except KvcalcError:
                continue
            found.append((f"{model} on {engine}", cost.formula))
    assert len(found) >= len(MODELS) * 4
    return found


FORMULAS = engine_formulas()
ROWS: list[Row] = [
    {"context": context, "sequences": sequences} for context in CONTEXTS for sequences in (1, 7)
]


def bound(formula: Formula) -> Value:
    """Put the formula's own values in the place of all but the context and the sequences."""
    values = {k: v for k, v in formula.variables.items() if k != "sequences"}
    return substituted(formula.expression, values)


EXPECTED = [
    [formula(row["context"], sequences=row["sequences"]) for row in ROWS] for _, formula in FORMULAS
]


@pytest.mark.parametrize("language", IN_PROCESS)
def test_every_engines_formula_agrees(language: str) -> None:
    for (title, formula), expected in zip(FORMULAS, EXPECTED, strict=True):
        found = IN_PROCESS[language](bound(formula), ("context", "sequences"), ROWS)
        assert found == expected, title


def test_every_engines_formula_agrees_in_javascript() -> None:
    values = [bound(formula) for _, formula in FORMULAS]
    assert by_node(values, ("context", "sequences"), ROWS) == EXPECTED


AWKWARD = sorted(
    {1, 3, 5_000, 100_003, 1_048_583, 2**24 + 1, 2**50}
    | {
        step + beside
        for step in (16, 128, 256, 1_024, 4_096, 16_384, 2**17)
        for beside in (-1, 0, 1)
    }
)
"""Contexts about the steps of blocks, windows and batches, and one that no double's bytes hold."""


def test_every_presets_formula_on_every_engine_is_exact_in_vega() -> None:
    rows: list[Row] = [{"context": tokens, "sequences": n} for tokens in AWKWARD for n in (1, 7)]
    costs: dict[str, Value] = {}
    for name in models.names():
        model = kvcalc.load(name)
        for engine in engines.ENGINES:
            with suppress(KvcalcError):
                costs[f"{name} on {engine}"] = bound(kvcalc.cost(model, engine).formula)
    assert len(costs) > 250
    answers = by_vega([*costs.values()], ("context", "sequences"), rows)
    for (title, value), found in zip(costs.items(), answers, strict=True):
        expected = [evaluated(value, row) for row in rows]
        assert found == [amount if amount < vega.LIMIT else None for amount in expected], title


def test_a_field_that_is_no_whole_number_has_no_bytes_in_vega() -> None:
    _, formula = FORMULAS[0]
    wrong = [None, "8192", "", True, 8192.5]
    rows: list[Any] = [{"context": amount, "sequences": 1} for amount in (8192, *wrong)]
    found = by_vega([bound(formula)], ("context", "sequences"), [*rows, {"sequences": 1}])
    assert found == [[formula(8192), *[None] * 6]]


def fits_a_cell(formula: Formula) -> bool:
    """Say whether a spreadsheet takes a formula; only for its length may it refuse."""
    try:
        written(formula, "excel")
    except KvcalcError as error:
        if "characters" not in str(error):
            raise
        return False
    return True


def test_every_engines_formula_agrees_in_a_spreadsheet(office: Office, tmp_path: Path) -> None:
    fitting = []
    for (_, formula), expected in zip(FORMULAS, EXPECTED, strict=True):
        if fits_a_cell(formula):
            fitting.append((bound(formula), expected))
    assert len(fitting) > len(FORMULAS) * 3 // 4
    values = [value for value, _ in fitting]
    answers = by_libreoffice(values, ("context", "sequences"), ROWS, office, tmp_path)
    assert answers == [expected for _, expected in fitting]


@each("target", TARGETS)
def test_every_engines_formula_is_written_in_every_language(target: str) -> None:
    for title, formula in FORMULAS:
        if target == "excel" and not fits_a_cell(formula):
            continue
        found = written(formula, target)
        assert found.exact
        assert all(name in found.text for name in variables_of(bound(formula))), title
