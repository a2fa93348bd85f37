"""Expressions: built by Python's operators, folded, and evaluated exactly."""

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc.formula.formula
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import (
    Expression,
    Value,
    cdiv,
    ceil,
    maximum,
    minimum,
    variable,
)
from kvcalc.formula.formula import Formula

x, y = variable("x"), variable("y")


def plain_cdiv(a: int, b: int) -> int:
    quotient, remainder = divmod(a, b)
    return quotient + (remainder > 0)


def plain_ceil(a: int, b: int) -> int:
    return plain_cdiv(a, b) * b


# Each operation, as formulas are built by it and as Python's own ints know it.
OPERATIONS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[int, int], int]]] = {
    "add": (operator.add, operator.add),
    "sub": (operator.sub, operator.sub),
    "mul": (operator.mul, operator.mul),
    "floordiv": (operator.floordiv, operator.floordiv),
    "min": (minimum, min),
    "max": (maximum, max),
    "cdiv": (cdiv, plain_cdiv),
    "ceil": (ceil, plain_ceil),
}
DIVISIONS = {"floordiv", "cdiv", "ceil"}
VARIABLES = ("context", "sequences", "window")

Tree: TypeAlias = Any  # an int, a variable's name, or (operation, Tree, Tree)

leaves = st.integers(-5, 5) | st.integers(-(10**9), 10**9) | st.sampled_from(VARIABLES)


def joined(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    free = st.sampled_from(sorted(set(OPERATIONS) - DIVISIONS))
    # A divisor is at least 1, as the blocks and pages that formulas divide by are.
    divisors = st.integers(1, 5) | st.sampled_from(VARIABLES) | trees.map(lambda t: ("max", t, 1))
    return st.tuples(free, trees, trees) | st.tuples(
        st.sampled_from(sorted(DIVISIONS)), trees, divisors
    )


trees: st.SearchStrategy[Tree] = st.recursive(leaves, joined, max_leaves=16)
quantities = st.fixed_dictionaries(dict.fromkeys(VARIABLES, st.integers(1, 10**12)))


def built(tree: Tree) -> Value:
    """Make the expression by the operators that engines use."""
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return variable(tree)
    name, left, right = tree
    value: Value = OPERATIONS[name][0](built(left), built(right))
    return value


def worked_out(tree: Tree, given: dict[str, int]) -> int:
    """Work the tree out by plain Python arithmetic."""
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return given[tree]
    name, left, right = tree
    return OPERATIONS[name][1](worked_out(left, given), worked_out(right, given))


def formula_of(value: Value) -> Formula:
    return Formula(value, {"sequences": 1, "window": 128})


@given(trees, quantities)
def test_a_formula_equals_the_plain_arithmetic_it_was_built_by(
    tree: Tree, given: dict[str, int]
) -> None:
    assert formula_of(built(tree))(**given) == worked_out(tree, given)


@given(trees, quantities)
def test_the_text_for_people_means_the_same_number(tree: Tree, given: dict[str, int]) -> None:
    names: dict[str, Any] = {**given, "cdiv": plain_cdiv, "ceil": plain_ceil}
    assert eval(str(built(tree)), names) == worked_out(tree, given)


@given(trees.filter(lambda tree: not any(name in str(tree) for name in VARIABLES)))
def test_plain_ints_fold_to_a_plain_int(tree: Tree) -> None:
    assert built(tree) == worked_out(tree, {})
    assert isinstance(built(tree), int)


@pytest.mark.parametrize(
    ("value", "same"),
    [
        pytest.param(x + 0, x, id="nothing added"),
        pytest.param(x - 0, x, id="nothing taken"),
        pytest.param(0 + x, x, id="added to nothing"),
        pytest.param((x + 3) + 5, x + 8, id="sums gather"),
        pytest.param((x - 3) + 5, x + 2, id="differences gather"),
        pytest.param((x - 3) - 5, x - 8, id="differences gather below"),
        pytest.param((x + 3) - 3, x, id="sums cancel"),
        pytest.param((3 - x) + 5, 8 - x, id="a difference from an int gathers"),
        pytest.param((x + 3) + y + 5, (x + 8) + y, id="ints gather where the first stood"),
        pytest.param(12 * x + 36 * x, 48 * x, id="equal terms merge"),
        pytest.param(x + x, 2 * x, id="a name merges with itself"),
        pytest.param(12 * x * y + y + 36 * x * y, 48 * x * y + y, id="products merge"),
        pytest.param((12 * x + y) + (5 * x + 3), (17 * x + y) + 3, id="sums merge term by term"),
        pytest.param((x + y) * 3 + (x + y) * 5, (x + y) * 8, id="multiples of a sum merge"),
        pytest.param((x - y) + (y - x), 0, id="opposite terms cancel"),
        pytest.param((x - y) + y, x, id="what was taken is given back"),
        pytest.param(x - x, 0, id="nothing is left of the same"),
        pytest.param((12 * x + y) - 5 * x, 7 * x + y, id="a difference merges"),
        pytest.param(x - (y - 3 * x), 4 * x - y, id="what is taken of a difference is added"),
        pytest.param((y - x) + (x + x), y + x, id="a term changes its sign"),
        pytest.param(x * 1, x, id="once"),
        pytest.param(1 * x, x, id="once, from the left"),
        pytest.param(x * 0, 0, id="not at all"),
        pytest.param(12 * x * 4096, 49152 * x, id="products gather at the left"),
        pytest.param((x * 3) * 5, x * 15, id="products gather at the right"),
        pytest.param(3 * (x * 5), x * 15, id="products gather from outside"),
        pytest.param(x // 1, x, id="divided by one"),
        pytest.param(cdiv(x, 1), x, id="divided up by one"),
        pytest.param(ceil(x, 1), x, id="rounded to one"),
        pytest.param(minimum(x, x), x, id="the smaller of the same"),
        pytest.param(maximum(x + y, x + y), x + y, id="the larger of the same"),
        pytest.param(cdiv(17, 16), 2, id="two ints divided up"),
        pytest.param(ceil(17, 16), 32, id="two ints rounded up"),
    ],
)
def test_ints_fold_at_once(value: Value, same: Value) -> None:
    assert value == same


def test_a_product_of_variables_keeps_its_number_in_front() -> None:
    assert (x * y) * 3 == Expression("mul", (3, x * y))


def test_an_expression_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        x.kind = "other"  # type: ignore[misc]


def test_what_is_not_given_stays_at_its_own_value() -> None:
    window, sequences = variable("window"), variable("sequences")
    formula = Formula(
        minimum(variable("context"), window) * sequences, {"sequences": 1, "window": 128}
    )
    assert formula(8192) == 128
    assert formula(8192, window=4096) == 4096
    assert formula(context=8192, window=4096, sequences=3) == 12288
    assert formula(8192) == 128


def test_a_formula_of_the_context_alone_needs_no_other_variable() -> None:
    assert Formula(variable("context") * 2, {})(21) == 42
    assert Formula(7, {})(1) == 7


def test_a_formula_is_exact_for_any_size_of_context() -> None:
    assert Formula(variable("context") * 4096 + 1, {})(10**30) == 4096 * 10**30 + 1


def test_a_formula_walks_no_tree_once_it_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    formula = formula_of(variable("context") * variable("window"))
    assert formula(3) == formula(3) == formula(3) == 384  # the third call compiles it
    monkeypatch.setattr(kvcalc.formula.formula, "render", None)
    formula.expression = 0
    assert formula(5, window=2) == 10


@pytest.mark.parametrize(
    "value", [0, -1, 1.0, 8192.0, True, "8192", None], ids=lambda value: repr(value)
)
@pytest.mark.parametrize("name", ["context", "sequences", "window"])
def test_a_quantity_that_is_no_positive_int_is_refused_by_name(name: str, value: Any) -> None:
    given = {"context": 8192, name: value}
    with pytest.raises(KvcalcError, match=rf"^{name}: found .*, expected a positive int$"):
        formula_of(variable("context"))(**given)


def test_a_quantity_that_is_not_in_the_formula_is_answered_with_those_that_are() -> None:
    with pytest.raises(
        KvcalcError, match=r"^'batch' is not in this formula; it has context, sequences, window$"
    ):
        formula_of(variable("context"))(8192, batch=4)


def test_a_quantity_that_cannot_be_given_is_refused_with_the_reason() -> None:
    formula = Formula(variable("context"), {"sequences": 1}, {"window": "no window here"})
    with pytest.raises(KvcalcError, match=r"^no window here$"):
        formula(8192, window=128)


def test_a_formula_is_written_as_its_expression() -> None:
    assert str(formula_of(12 * variable("context") + 3)) == "12*context + 3"
