"""A formula as a Polars expression, as Python source."""

from collections.abc import Callable, Mapping

from kvcalc.formula.expression import Value
from kvcalc.formula.languages.language import POSITIVE, Written, refuse_dialect
from kvcalc.formula.languages.nulls import not_strict
from kvcalc.formula.target import (
    ATOM,
    CONDITION,
    FLOOR,
    PRODUCT,
    PYTHON,
    SUM,
    Rule,
    call,
    render,
    rounded_up,
)


def _column(integer: str) -> Callable[[str], str]:
    return lambda name: f"pl.col({name!r}).cast(pl.{integer})"


POLARS = PYTHON._replace(
    name="Polars",
    rules={
        **PYTHON.rules,
        # Not -(-a // b): Int128 has no negation. Polars' // rounds down for any sign.
        "cdiv": Rule(lambda a, b: f"({rounded_up(a, b)}) // {b}", FLOOR, (SUM, ATOM)),
        "ceil": Rule(lambda a, b: f"(({rounded_up(a, b)}) // {b}) * {b}", PRODUCT, (SUM, ATOM)),
        "min": call("pl.min_horizontal"),
        "max": call("pl.max_horizontal"),
        "where": Rule(lambda a, b: f"pl.when({b}).then({a})", ATOM, (SUM, CONDITION)),
    },
)


def source(expression: Value, names: Mapping[str, str], integer: str = "Int64") -> str:
    """Write the expression over columns cast to an integer type; a null gives null."""
    column = _column(integer)
    text = render(expression, POLARS._replace(variable=lambda name: column(names[name])))
    for name in not_strict(expression):
        text = f"pl.when(pl.col({names[name]!r}).is_not_null()).then({text})"
    return text


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write it for `DataFrame.with_columns`, with polars imported as pl."""
    refuse_dialect("polars", dialect)
    return Written(
        source(expression, names),
        f"{POSITIVE} while every part is below 2^63: Polars wraps silently past it",
    )
