"""What all languages share: a formula as it was written, and what any of them refuses."""

from collections.abc import Iterable
from dataclasses import dataclass

from kvcalc.errors import RequestError, quote
from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import Value, variables_of

ANY_AMOUNT = Bounds(1, 2**40)
"""What a variable can be when it is asked whether a part may be negative."""

NAMED = {"context": "context", "sequences": "sequences"}
"""The variables that stand by their own names where no others were given."""


@dataclass(frozen=True)
class Written:
    """A formula's text, and the range in which it is exact."""

    text: str
    exact: str


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
        raise RequestError.about(
            "dialect", f"found {quote(dialect)}, but {target} has no dialects", found=dialect
        )


def refuse_unprintable(names: Iterable[str]) -> None:
    """Refuse names that a terminal would obey, where any other text is one.

    Raises:
        KvcalcError: one is such.
    """
    for name in names:
        if not name.isprintable():
            raise RequestError.of("name", name, "printable text")
