"""What all languages share: a written formula, and what every language refuses."""

from collections.abc import Iterable
from dataclasses import dataclass

from kvcalc.errors import RequestError, quote
from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import Value, variables_of

ANY_AMOUNT = Bounds(1, 2**40)
"""The bounds of a variable when checking whether a part may be negative."""

POSITIVE = "exact for positive ints (0, negatives, fractions and booleans are not refused)"
"""How far a text is to be trusted that cannot see its amounts; `Formula` itself refuses those."""

NAMED = {"context": "context", "sequences": "sequences"}
"""The variables that keep their own names if no others are given."""


@dataclass(frozen=True)
class Written:
    """A formula's text, and the range in which it is exact."""

    text: str
    exact: str


def may_divide_below_zero(expression: Value) -> bool:
    """Say whether a dividend may be negative, which languages round differently.

    Raises:
        RequestError: a divisor may be less than 1.
    """
    amounts = dict.fromkeys(variables_of(expression), ANY_AMOUNT)
    return extent(expression, amounts).least_divided < 0


def refuse_dialect(target: str, dialect: str | None) -> None:
    """Refuse a dialect for a target without dialects.

    Raises:
        RequestError: a dialect was given.
    """
    if dialect is not None:
        raise RequestError.about(
            "dialect", f"found {quote(dialect)}, but {target} has no dialects", found=dialect
        )


def refuse_unprintable(names: Iterable[str]) -> None:
    """Refuse names with control codes, for a target where any other text is a name.

    Raises:
        RequestError: there is such a name.
    """
    for name in names:
        if not name.isprintable():
            raise RequestError.of("name", name, "printable text")
