"""Formulas written down: for people, and as Python."""

import pickle
import subprocess
import sys
from typing import Any

import pytest

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
from kvcalc.formula.target import ATOM, PYTHON, SUM, TEXT, Rule, Target, call, render
from tests.each import each

x, y, z = variable("x"), variable("y"), variable("z")

WRITTEN: list[tuple[Value, str, str]] = [
    (7, "7", "7"),
    (-7, "-7", "-7"),
    (x, "x", "x"),
    (x + y, "x + y", "x + y"),
    (x + 3, "x + 3", "x + 3"),
    (3 + x, "x + 3", "x + 3"),
    (x - 3, "x - 3", "x - 3"),
    (x + -3, "x - 3", "x - 3"),
    (3 - x, "3 - x", "3 - x"),
    (x - y, "x - y", "x - y"),
    (x - (y + z), "x - (y + z)", "x - (y + z)"),
    (x - y - z, "x - y - z", "x - y - z"),
    (12 * x, "12*x", "12*x"),
    (x * 12, "12*x", "12*x"),
    (x * -2, "(-2) * x", "(-2) * x"),
    ((x - y + 3) * -1, "y - x - 3", "y - x - 3"),
    (-1 * (x + y), "0 - x - y", "0 - x - y"),
    ((x + y) * -2, "(x + y) * (-2)", "(x + y) * (-2)"),
    ((x + y) * 2 + (x + y) * -1, "(x + y) * 2 - x - y", "(x + y) * 2 - x - y"),
    ((x + y) * -1 + x, "0 - y", "0 - y"),
    (cdiv(x, 1) + ceil(y, 1) + x // 1, "2*x + y", "2*x + y"),
    (x * y * z, "x*y*z", "x*y*z"),
    ((x + y) * 4096, "(x + y) * 4096", "(x + y) * 4096"),
    (4096 * (x + y), "(x + y) * 4096", "(x + y) * 4096"),
    (x // 16, "x // 16", "x // 16"),
    (100 // x, "100 // x", "100 // x"),
    (x // y // z, "(x // y) // z", "(x // y) // z"),
    (x // (y * z), "x // (y*z)", "x // (y*z)"),
    ((x // 16) * 16, "16 * (x // 16)", "16 * (x // 16)"),
    (x * y // z, "x*y // z", "x*y // z"),
    (minimum(x, 128), "min(x, 128)", "min(x, 128)"),
    (maximum(x + 1, y), "max(x + 1, y)", "max(x + 1, y)"),
    (cdiv(x, 16), "cdiv(x, 16)", "-(-x // 16)"),
    (cdiv(x + y, 16), "cdiv(x + y, 16)", "-(-(x + y) // 16)"),
    (ceil(x, 16), "ceil(x, 16)", "-(-x // 16) * 16"),
    (cdiv(x, 16) * y, "cdiv(x, 16)*y", "-(-x // 16)*y"),
    (y - cdiv(x, 16), "y - cdiv(x, 16)", "y - -(-x // 16)"),
]


@each(("value", "text"), [(row[0], row[1]) for row in WRITTEN])
def test_a_formula_reads_as_a_person_would_write_it(value: Value, text: str) -> None:
    assert render(value, TEXT) == str(value) == text


@each(("value", "text"), [(row[0], row[2]) for row in WRITTEN])
def test_a_formula_is_written_as_python_with_the_parentheses_it_needs(
    value: Value, text: str
) -> None:
    assert render(value, PYTHON) == text


KINDS = {
    expression.kind
    for expression in (x + y, x - y, x * y, x // y, minimum(x, y), maximum(x, y), cdiv(x, y))
    if isinstance(expression, Expression)
} | {"ceil"}


@pytest.mark.parametrize("target", [TEXT, PYTHON], ids=lambda target: target.name)
def test_a_target_has_a_rule_for_every_kind_of_node(target: Target) -> None:
    assert set(target.rules) >= KINDS


@each("kind", sorted(KINDS))
def test_a_target_that_lacks_a_kind_refuses_instead_of_writing_something_else(kind: str) -> None:
    rules = {name: rule for name, rule in TEXT.rules.items() if name != kind}
    lacking = Target("Abacus", rules)
    value: Value = 1 + Expression(kind, (x, y)) * 2
    with pytest.raises(KvcalcError, match=f"^Abacus has no form for '{kind}'$"):
        render(value, lacking)


def test_another_language_is_a_table_of_its_own() -> None:
    rules = {"add": call("SUM"), "mul": Rule(lambda a, b: f"{a}·{b}", ATOM, (ATOM, ATOM))}
    assert render((x + y) * 2, Target("Sheet", rules)) == "SUM(x, y)·2"


def test_operands_that_bind_too_loosely_are_parenthesised() -> None:
    rules: dict[str, Any] = {
        "add": Rule(lambda a, b: f"{a}+{b}", SUM, (SUM, SUM)),
        "mul": Rule(lambda a, b: f"{a}*{b}", ATOM, (ATOM, ATOM)),
    }
    assert render((x + y) * z, Target("T", rules)) == "(x+y)*z"


def test_an_expression_is_equal_to_itself_of_another_process() -> None:
    """Texts hash differently in each process, so a hash may not travel."""
    value = minimum(variable("context"), 128) * 4096
    statement = (
        "import pickle, sys; from kvcalc.formula.expression import minimum, variable; "
        "sys.stdout.buffer.write(pickle.dumps(minimum(variable('context'), 128) * 4096))"
    )
    run = subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True)
    again = pickle.loads(run.stdout)
    assert (again, hash(again)) == (value, hash(value))
