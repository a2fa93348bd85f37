"""Formulas written in any of the languages that planners use."""

from collections.abc import Mapping
from importlib import import_module

from kvcalc.errors import RequestError, quote
from kvcalc.formula.expression import Expression, substituted
from kvcalc.formula.formula import Formula
from kvcalc.formula.languages.language import NAMED, Written
from kvcalc.formula.limits import limited
from kvcalc.spelling import spelled, unknown

TARGETS = {
    "text": "kvcalc.formula.languages.text",
    "excel": "kvcalc.formula.languages.excel",
    "sql": "kvcalc.formula.languages.sql",
    "polars": "kvcalc.formula.languages.polars",
    "numpy": "kvcalc.formula.languages.numpy",
    "python": "kvcalc.formula.languages.python",
    "js": "kvcalc.formula.languages.javascript",
    "vega": "kvcalc.formula.languages.vega",
    "latex": "kvcalc.formula.languages.latex",
}
"""Each target's name and its module, which defines `written(expression, names, dialect)`."""

ALIASES = {"javascript": "js", "tex": "latex", "xlsx": "excel", "py": "python", "txt": "text"}
"""Other names of targets."""


def written(
    formula: Formula,
    target: str,
    *,
    dialect: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Written:
    """Write a formula in a target's language.

    `names` maps variables to columns, cells or names there. Without a name, context and sequences
    keep their own, and any other variable is written as its value.

    Raises:
        RequestError: the target or dialect is not known, a name is not valid there, a variable is
            not in the formula, the target cannot write the formula exactly, or values are past a
            limit.
    """
    chosen = spelled(target, TARGETS, ALIASES)
    if chosen is None:
        raise unknown("target", target, list(TARGETS), field="target")
    cells = {**NAMED, **(names or {})}
    for name in cells:
        if name not in ("context", *formula.variables):
            known = ", ".join(["context", *formula.variables])
            raise RequestError(
                f"name: {quote(name)} is not in this formula; it has {known}",
                field="name",
                found=name,
                expected=f"one of {known}",
            )
    values = {name: value for name, value in formula.variables.items() if name not in cells}
    expression = limited(formula.expression, formula.limits, values)
    found: Written = import_module(TARGETS[chosen]).written(expression, cells, dialect)
    open_limits = [
        str(limit)
        for limit in formula.limits
        if isinstance(substituted(limit.value, values), Expression)
    ]
    if not open_limits:
        return found
    return Written(found.text, f"{found.exact}; no value unless {' and '.join(open_limits)}")
