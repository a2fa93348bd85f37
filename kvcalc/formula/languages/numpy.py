"""A formula over arrays of whole numbers, made int64 by NumPy, as Python source."""

from collections.abc import Mapping

from kvcalc.formula.expression import Value, variables_of
from kvcalc.formula.languages.language import Written, refuse_dialect
from kvcalc.formula.languages.python import refuse_no_identifiers
from kvcalc.formula.target import ATOM, CONDITION, PYTHON, SUM, Rule, call, render

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
    # A ufunc gives the kind of array that it is given, and refuses fractions.
    target = NUMPY._replace(
        variable=lambda name: f"numpy.positive({names[name]}, dtype=numpy.int64)"
    )
    return Written(
        f"lambda {', '.join(taken)}: {render(expression, target)}",
        "exact for positive ints (0, negatives and booleans are not refused) while every part is "
        "below 2^63: NumPy wraps silently past it",
    )
