"""A formula as a Vega expression, for a chart's calculate transform.

Vega's numbers are doubles. Below 2^53 each part is exact, and so is a quotient that is rounded to
a whole number: the rest of a division by d is at least 1/d, more than such a double rounds away.
"""

import json
from collections.abc import Mapping

from kvcalc.errors import RequestError
from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import Expression, Value, variables_of
from kvcalc.formula.languages.language import (
    Written,
    refuse_dialect,
    refuse_unprintable,
)
from kvcalc.formula.target import ARITHMETIC, ATOM, CONDITION, PRODUCT, SUM, Rule, Target, render

LIMIT = 2**53
"""Below it a double holds every whole number."""

VEGA = Target(
    "Vega",
    {
        **ARITHMETIC,
        "mul": Rule(lambda a, b: f"{a} * {b}", PRODUCT, (PRODUCT, PRODUCT)),
        "floordiv": Rule(lambda a, b: f"floor({a} / {b})", ATOM, (PRODUCT, ATOM)),
        "cdiv": Rule(lambda a, b: f"ceil({a} / {b})", ATOM, (PRODUCT, ATOM)),
        "ceil": Rule(lambda a, b: f"ceil({a} / {b}) * {b}", PRODUCT, (PRODUCT, ATOM)),
        "where": Rule(lambda a, b: f"({b} ? {a} : null)", ATOM, (SUM, CONDITION)),
    },
)


NO_LESS = {"add": 0, "max": 0, "mul": 1, "ceil": 1}
"""Kinds whose value is no less than either operand, and the least operands for that."""
NO_MORE = frozenset({"sub", "floordiv", "cdiv", "min", "at_most", "where"})
"""Kinds whose value is no more than the larger of operands of at least 0."""


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write it over the fields of `datum`.

    It is null where a field is no whole number (a chart may leave a file's column as texts), and
    where a part is past what a double holds.

    Raises:
        RequestError: a name has control codes, or the formula is never exact in a double.
    """
    refuse_dialect("vega", dialect)
    refuse_unprintable(names.values())
    used = variables_of(expression)
    if extent(expression, dict.fromkeys(used, Bounds(1, 1))).magnitude >= LIMIT:
        raise RequestError.about(
            "formula", "is past 2^53 from the first token on, and so never exact"
        )
    fields = {name: _field(field) for name, field in names.items() if name in used}
    target = VEGA._replace(variable=fields.__getitem__)
    terms = [f"floor({field}) === {field}" for field in fields.values()]
    terms += [f"{_magnitude(part, target)} < {LIMIT}" for part in _largest(expression)]
    body = render(expression, target)
    return Written(
        f"{' && '.join(terms)} ? {body} : null" if terms else body,
        "exact for positive ints while every part is below 2^53; null past it",
    )


def _field(name: str) -> str:
    plain = name.isascii() and name.isidentifier()
    return f"datum.{name}" if plain else f"datum[{json.dumps(name)}]"


def _magnitude(part: Value, target: Target) -> str:
    text = render(part, target)
    return text if _low(part) >= 0 else f"abs({text})"


def _largest(expression: Value) -> list[Expression]:
    """The parts that hold back all others: where they are below 2^53, every part is."""
    parts = _parts(expression)
    held: set[Value] = set()
    for part in parts:
        if part.kind == "variable":
            continue
        least = min(map(_low, part.operands))
        if part.kind in NO_LESS and least >= NO_LESS[part.kind]:
            held.update(part.operands)
        if part.kind in NO_MORE and least >= 0:
            held.add(part)
    return [part for part in parts if part not in held]


def _parts(value: Value) -> dict[Expression, None]:
    """Each part once, the whole first."""
    if isinstance(value, int):
        return {}
    if value.kind == "variable":
        return {value: None}
    return {value: None} | {part: None for inner in value.operands for part in _parts(inner)}


def _low(value: Value) -> int:
    return extent(value, dict.fromkeys(variables_of(value), Bounds(1, LIMIT))).value.low
