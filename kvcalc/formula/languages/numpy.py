"""A formula over NumPy's int64 arrays, as Python source."""

from collections.abc import Mapping

from kvcalc.formula.expression import (
    ATOM,
    CONDITION,
    PYTHON,
    SUM,
    Rule,
    Value,
    call,
    render,
    variables_of,
)
from kvcalc.formula.languages.language import Written, refuse_dialect
from kvcalc.formula.languages.python import refuse_no_identifiers

NUMPY = PYTHON._replace(
    name="NumPy",
    rules={
        **PYTHON.rules,
        "min": call("numpy.minimum"),
        "max": call("numpy.maximum"),
        "where": Rule(
            lambda a, b: f"numpy.ma.masked_where(numpy.logical_not({b}), {a})",
            ATOM,
            (SUM, CONDITION),
        ),
    },
)


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write a lambda of the variables' arrays.

    Raises:
        RequestError: a name is not an identifier.
    """
    refuse_dialect("numpy", dialect)
    taken = [names[name] for name in names if name in variables_of(expression)]
    refuse_no_identifiers(taken)
    target = NUMPY._replace(variable=names.__getitem__)
    return Written(
        f"lambda {', '.join(taken)}: {render(expression, target)}",
        "exact for int64 arrays of positive ints while every part is below 2^63: "
        "NumPy wraps silently past it",
    )
