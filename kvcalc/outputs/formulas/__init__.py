"""Formulas written down for where planners work: one file a target, each a table of rules."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import NamedTuple

from kvcalc.bounds import Bounds, extent
from kvcalc.errors import KvcalcError, shown
from kvcalc.formula import Formula, Value, substituted, variables_of

TARGETS = {
    "text": "kvcalc.outputs.formulas.text",
    "excel": "kvcalc.outputs.formulas.excel",
    "sql": "kvcalc.outputs.formulas.sql",
    "polars": "kvcalc.outputs.formulas.polars",
    "numpy": "kvcalc.outputs.formulas.numpy",
    "python": "kvcalc.outputs.formulas.python",
    "js": "kvcalc.outputs.formulas.javascript",
    "latex": "kvcalc.outputs.formulas.latex",
}
"""Each target's name and its module, which defines `written(expression, names, dialect)`."""

ANY_AMOUNT = Bounds(1, 2**40)
"""What a variable can be when it is asked whether a part may be negative."""

NAMED = {"context": "context", "sequences": "sequences"}
"""The variables that stand by their own names where no others were given."""


class Written(NamedTuple):
    """A formula's text, and the range in which it is exact."""

    text: str
    exact: str


def written(
    formula: Formula,
    target: str,
    *,
    dialect: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Written:
    """Write a formula in a target's language.

    `names` maps variables to columns, cells or names there; context and sequences stand by their
    own names unless given, and what else is not named stands as its value.

    Raises:
        KvcalcError: no such target or dialect, a name that is none there, a variable that is not
            in the formula, or a formula that the target cannot write exactly.
    """
    if target not in TARGETS:
        raise KvcalcError(f"target {shown(target)} is unknown; known are {', '.join(TARGETS)}")
    spelled = {**NAMED, **(names or {})}
    for name in spelled:
        if name not in ("context", *formula.variables):
            known = ", ".join(["context", *formula.variables])
            raise KvcalcError(f"name: {shown(name)} is not in this formula; it has {known}")
    values = {name: value for name, value in formula.variables.items() if name not in spelled}
    expression = substituted(formula.expression, values)
    found: Written = import_module(TARGETS[target]).written(expression, spelled, dialect)
    return found


def may_divide_below_zero(expression: Value) -> bool:
    """Say whether something that may be negative is divided, which languages round differently.

    Raises:
        KvcalcError: something is divided by what may be less than 1.
    """
    amounts = dict.fromkeys(variables_of(expression), ANY_AMOUNT)
    return extent(expression, amounts).least_divided < 0


def refuse_dialect(target: str, dialect: str | None) -> None:
    """Refuse a dialect where a target has none.

    Raises:
        KvcalcError: one was given.
    """
    if dialect is not None:
        raise KvcalcError(f"dialect: found {shown(dialect)}, but {target} has no dialects")


def refuse_unprintable(names: Iterable[str]) -> None:
    """Refuse names that a terminal would obey, where any other text is one.

    Raises:
        KvcalcError: one is such.
    """
    for name in names:
        if not name.isprintable():
            raise KvcalcError(f"name: found {shown(name)}, expected printable text")
