"""A formula as a Polars expression over the columns of a frame."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from kvcalc.errors import MissingExtraError, RequestError
from kvcalc.formula.expression import Value, substituted, variables_of
from kvcalc.formula.limits import Limit, limited


def polars_expression(
    expression: Value,
    values: Mapping[str, int],
    names: Mapping[str, str],
    limits: Sequence[Limit],
    *,
    checked: bool,
) -> Any:
    """Build a Polars expression over the columns of `names`, with values for all else.

    It is exact for positive ints while every part is below 2^63; past that Polars wraps, as an
    expression cannot see its data, and rows past a limit are null. `checked` computes in Int128,
    and refuses what `Formula` refuses: then evaluating it raises RequestError.

    Raises:
        MissingExtraError: polars is not installed.
        RequestError: the values alone are past a limit.
    """
    try:
        import polars
    except ImportError:
        raise MissingExtraError.of("a Polars expression needs", "polars") from None
    from kvcalc.formula.languages.polars import source

    integer = "Int128" if checked else "Int64"

    def built(part: Value) -> Any:
        if isinstance(part, int):
            return polars.lit(part, getattr(polars, integer))
        # The text is our own; names of columns are quoted by repr.
        return eval(source(part, names, integer), {"pl": polars})

    whole = limited(expression, limits, values)
    found = built(whole)
    if not checked:
        return found
    checks = [
        *((polars.col(names[name]), partial(_positive, name)) for name in variables_of(whole)),
        *((built(substituted(one.value, values)), partial(_within, one)) for one in limits),
    ]
    for part, check in checks:
        right = part.map_batches(check, return_dtype=polars.Boolean, is_elementwise=True)
        found = polars.when(right).then(found)
    return found


def _positive(name: str, column: Any) -> Any:
    """Refuse a column that has other values than positive ints and nulls."""
    if column.dtype.is_integer():
        least = column.min()
        if least is not None and least < 1:
            raise RequestError.of(name, least, "positive ints")
    elif column.null_count() < len(column):
        of = f"found a column of {column.dtype}"
        raise RequestError.about(name, of, expected="whole numbers")
    return column.is_not_null()


def _within(limit: Limit, column: Any) -> Any:
    """Refuse a column that has values past a limit."""
    most = column.max()
    if most is not None and most > limit.most:
        raise RequestError.about(limit.field, f"found a row past its limit, {limit}")
    return column.is_not_null()
