"""Equal terms of a sum are merged: no formula says 12*context + 36*context."""

from collections import Counter
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

import kvcalc
from kvcalc import engines
from kvcalc.catalogue import models as presets
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import (
    Expression,
    Value,
    added,
    evaluated,
    minimum,
    substituted,
    variable,
)
from kvcalc.model import Model
from tests.each import each
from tests.shapes import models

NAMES = ("x", "y", "z")
ATOMS: dict[str, Value] = {
    **{name: variable(name) for name in NAMES},
    "least": minimum(variable("x"), variable("y")),
    "sum": variable("x") + variable("y") - 1,
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"tensor_parallel_size": 2},
    {"tensor_parallel_size": 8},
    {"kv_cache_dtype": "fp8"},
    {"kv_unified": True},
    {"kv_bits": 8},
    {"swa_full": True},
]


def repeated(value: Value) -> list[Any]:
    """What stands in two terms of a sum, anywhere in an expression; ints are terms of one kind."""
    if isinstance(value, int) or value.kind == "variable":
        return []
    found = []
    if value.kind in ("add", "sub"):
        found = [key for key, count in Counter(map(factors, terms(value))).items() if count > 1]
    return found + [key for operand in value.operands for key in repeated(operand)]


def terms(value: Value) -> list[Value]:
    if isinstance(value, Expression) and value.kind in ("add", "sub"):
        return [term for operand in value.operands for term in terms(operand)]
    return [value]


def factors(value: Value) -> tuple[Any, ...]:
    """The factors of a term besides its number, in an order of their own."""
    if isinstance(value, int):
        return ()
    if value.kind != "mul":
        return (repr(value),)
    return tuple(sorted(name for operand in value.operands for name in factors(operand)))


def costs(model: Model) -> list[kvcalc.Cost]:
    found = []
    for engine in engines.ENGINES:
        for chosen in SETTINGS:
            try:
                found.append(kvcalc.cost(model, engine, **chosen))
            except KvcalcError:
                continue
    return found


def expressions(cost: kvcalc.Cost) -> list[Value]:
    steps = [step.value for group in cost.groups for step in group.steps]
    whole = [cost.formula, cost.per_gpu, cost.peak, *(group.formula for group in cost.groups)]
    return [formula.expression for formula in whole] + steps


@each("name", presets.names())
def test_no_formula_of_a_preset_has_a_term_twice(name: str) -> None:
    found = costs(kvcalc.load(name))
    assert len({cost.engine for cost in found}) >= 4
    for cost in found:
        for value in expressions(cost):
            assert repeated(value) == [], f"{cost.engine}: {value}"


@given(models())
def test_no_formula_of_any_model_has_a_term_twice(model: Model) -> None:
    for cost in costs(model):
        assert repeated(cost.formula.expression) == [], f"{cost.engine}: {cost.formula}"


drawn = st.lists(
    st.tuples(st.integers(-5, 5), st.lists(st.sampled_from(sorted(ATOMS)), max_size=2)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150)
@example([(2, ["sum"]), (-1, ["sum"])], [(0, [])], dict.fromkeys(NAMES, 1))
@given(drawn, drawn, st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(1, 50))))
def test_a_merged_sum_has_the_value_of_its_terms(
    left: list[tuple[int, list[str]]], right: list[tuple[int, list[str]]], row: dict[str, int]
) -> None:
    def product(number: int, names: list[str]) -> Value:
        value: Value = number
        for name in sorted(names):
            value = value * ATOMS[name]
        return value

    def total(listed: list[tuple[int, list[str]]]) -> tuple[Value, int]:
        built: Value = 0
        for number, names in listed:
            built = built + product(number, names)
        return built, sum(evaluated(product(*term), row) for term in listed)

    (one, first), (two, second) = total(left), total(right)
    for value, expected in ((one, first), (one + two, first + second), (one - two, first - second)):
        assert evaluated(value, row) == expected
        assert repeated(value) == []


def one_after_another(values: list[Value], first: Value = 0) -> Value:
    for value in values:
        first += value
    return first


@given(st.lists(st.integers(-9, 9) | st.tuples(st.integers(-3, 3), st.sampled_from([*ATOMS]))))
def test_values_are_added_up_in_one_walk_as_plus_adds_them(
    picked: list[int | tuple[int, str]],
) -> None:
    values = [one if isinstance(one, int) else one[0] * ATOMS[one[1]] for one in picked]
    assert repr(added(values)) == repr(one_after_another(values))


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([*ATOMS])), min_size=1),
    st.dictionaries(st.sampled_from(NAMES), st.integers(-9, 9) | st.sampled_from([*ATOMS])),
)
def test_values_are_put_into_a_sum_in_one_walk_as_plus_and_minus_join_them(
    picked: list[tuple[bool, str]], given_: dict[str, int | str]
) -> None:
    values = {k: v if isinstance(v, int) else ATOMS[v] for k, v in given_.items()}
    put = {name: substituted(atom, values) for name, atom in ATOMS.items()}
    built: Value = variable("w")
    expected: Value = built
    for is_added, name in picked:
        built = Expression("add" if is_added else "sub", (built, ATOMS[name]))
        expected = expected + put[name] if is_added else expected - put[name]
    assert repr(substituted(built, values)) == repr(expected)


def test_what_is_left_of_a_multiple_of_a_sum_is_the_sum_in_its_order() -> None:
    total = variable("x") + variable("y")
    assert str(3 * total - 2 * total) == "x + y"
