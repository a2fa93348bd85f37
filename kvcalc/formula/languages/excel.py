"""A formula for spreadsheets: Excel, LibreOffice and Google Sheets alike.

Their numbers are doubles, exact up to 2^53 in sums and products. INT of a quotient is exact while
the dividend is below 2^47; ROUNDUP is not exact (tried in LibreOffice 7.4), so rounding up is
INT((x + d - 1)/d), and not -INT(-x/d): some engines' INT cuts a negative number towards zero
(HyperFormula 3.5).
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from kvcalc.errors import RequestError
from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import Value, variables_of
from kvcalc.formula.languages.language import POSITIVE, Written, refuse_dialect
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
    rounded_up,
)

MAX_EXACT = 2**53
MAX_DIVIDED = 2**47
MAX_CHARACTERS = 8_192
"""The longest formula of a cell (Excel's specifications and limits)."""
MAX_LITERAL = 10**15
"""A typed number keeps 15 digits; further digits become 0 (the same page)."""

NAME = re.compile(
    r"(?!(?i:TRUE|FALSE)\Z)(?:'[^'\[\]*?:\\/]{1,31}'!|[A-Za-z_][A-Za-z0-9_.]{0,30}!)?"
    r"(?:\$?[A-Z]{1,3}\$?[1-9][0-9]{0,6}|[A-Za-z_][A-Za-z0-9_.]{0,200}"
    r"|[A-Za-z_][A-Za-z0-9_]{0,100}\[\[#This Row\],\[[A-Za-z0-9_]{1,100}\]\])"
)
"""A cell, a defined name, or a table's column in this row; a spreadsheet counts TRUE as 1."""


def literal(number: int) -> str:
    """Write a number; one with too many digits becomes a sum."""
    high, low = divmod(number, 10**9)
    return str(number) if number < MAX_LITERAL else f"({high}*1000000000 + {low})"


def _divided_up(a: str, b: str) -> str:
    return f"INT(({rounded_up(a, b)})/{b})"


EXCEL = Target(
    "Excel",
    {
        **ARITHMETIC,
        "mul": Rule(lambda a, b: f"{a}*{b}", PRODUCT, (PRODUCT, PRODUCT)),
        "floordiv": Rule(lambda a, b: f"INT({a}/{b})", ATOM, (PRODUCT, ATOM)),
        "cdiv": Rule(_divided_up, ATOM, (SUM, ATOM)),
        "ceil": Rule(lambda a, b: f"{_divided_up(a, b)}*{b}", PRODUCT, (SUM, ATOM)),
        "min": call("MIN"),
        "max": call("MAX"),
        "at_most": Rule(lambda a, b: f"{a}<={b}", CONDITION, (SUM, SUM)),
        "where": Rule(lambda a, b: f"IF({b},{a},NA())", ATOM, (SUM, CONDITION)),
    },
    literal=literal,
)


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write it for a cell, with its equals sign.

    Raises:
        RequestError: a name is not a cell or a defined name, or the formula is longer than a cell
            takes
            or never exact in a double.
    """
    refuse_dialect("excel", dialect)
    for name in names.values():
        if NAME.fullmatch(name) is None:
            raise RequestError.of("name", name, "a cell as B2 or a defined name")
    _refuse_never_exact(expression)
    text = f"={render(expression, EXCEL._replace(variable=names.__getitem__))}"
    if len(text) > MAX_CHARACTERS:
        raise RequestError.about(
            "formula",
            f"found {len(text):,} characters",
            found=len(text),
            expected=f"at most the {MAX_CHARACTERS:,} of a spreadsheet's cell",
        )
    return Written(
        text,
        f"{POSITIVE} while the result is at most 2^53 and what is divided below 2^47",
    )


@lru_cache(maxsize=8)  # a workbook writes an expression into several cells, each with other names
def _refuse_never_exact(expression: Value) -> None:
    least = extent(expression, dict.fromkeys(variables_of(expression), Bounds(1, 1)))
    if least.magnitude > MAX_EXACT:
        raise RequestError.about(
            "formula", "is past 2^53 from the first token on, and so never exact"
        )
    if least.divided >= MAX_DIVIDED:
        raise RequestError.about(
            "formula", "divides more than 2^47 from the first token on, never exactly"
        )
