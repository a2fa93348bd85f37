"""A formula in JavaScript, over BigInt."""

import re
from collections.abc import Mapping

from kvcalc.errors import RequestError
from kvcalc.formula.expression import Value, variables_of
from kvcalc.formula.languages.language import (
    POSITIVE,
    Written,
    may_divide_below_zero,
    refuse_dialect,
)
from kvcalc.formula.languages.python import refuse_no_identifiers
from kvcalc.formula.target import (
    ARITHMETIC,
    ATOM,
    CONDITION,
    PRODUCT,
    SUM,
    Rule,
    Target,
    call,
    render,
)

RESERVED = re.compile(
    r"await|break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|export|"
    r"extends|false|finally|for|function|if|implements|import|in|instanceof|interface|let|new|"
    r"null|package|private|protected|public|return|static|super|switch|this|throw|true|try|"
    r"typeof|var|void|while|with|yield|eval|arguments"
)

JAVASCRIPT = Target(
    "JavaScript",
    {
        **ARITHMETIC,
        "mul": Rule(lambda a, b: f"{a} * {b}", PRODUCT, (PRODUCT, PRODUCT)),
        "floordiv": Rule(lambda a, b: f"({a} / {b})", ATOM, (PRODUCT, ATOM)),
        "cdiv": Rule(lambda a, b: f"(({a} + {b} - 1n) / {b})", ATOM, (SUM, ATOM)),
        "ceil": Rule(lambda a, b: f"(({a} + {b} - 1n) / {b} * {b})", ATOM, (SUM, ATOM)),
        "min": call("min"),
        "max": call("max"),
        "where": Rule(lambda a, b: f"({b} ? {a} : null)", ATOM, (SUM, CONDITION)),
    },
    literal=lambda number: f"{number}n",
)
"""BigInt's quotient drops the remainder, as floor division does for dividends of at least 0."""


def _floor(a: str, b: str) -> str:
    return f"(({a} - ({a} % {b} + {b}) % {b}) / {b})"


SIGNED = JAVASCRIPT._replace(
    rules={
        **JAVASCRIPT.rules,
        "floordiv": Rule(_floor, ATOM, (ATOM, ATOM)),
        "cdiv": Rule(lambda a, b: f"(-{_floor(f'(-{a})', b)})", ATOM, (ATOM, ATOM)),
        "ceil": Rule(lambda a, b: f"(-{_floor(f'(-{a})', b)} * {b})", ATOM, (ATOM, ATOM)),
    }
)
"""The same if a dividend may be negative: a multiple is divided, without a remainder."""

HELPERS = {"min": "min = (a, b) => (a < b ? a : b)", "max": "max = (a, b) => (a > b ? a : b)"}


def target_of(expression: Value) -> Target:
    """The rules for an expression: shorter ones where no dividend is negative."""
    return SIGNED if may_divide_below_zero(expression) else JAVASCRIPT


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write an arrow function of the variables, as BigInt.

    Raises:
        RequestError: a name is not an identifier.
    """
    refuse_dialect("js", dialect)
    taken = [names[name] for name in names if name in variables_of(expression)]
    refuse_no_identifiers(taken)
    for name in taken:
        if RESERVED.fullmatch(name):
            raise RequestError.of("name", name, "an identifier")
    body = render(expression, target_of(expression)._replace(variable=names.__getitem__))
    used = [text for name, text in HELPERS.items() if f"{name}(" in body]
    text = f"return {body}"
    if used:
        text = f"const {', '.join(used)}; {text}"
    return Written(
        f"({', '.join(taken)}) => {{ {text} }}",
        f"{POSITIVE}, whatever the sizes, as BigInt",
    )
