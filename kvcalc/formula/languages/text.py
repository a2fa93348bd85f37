"""A formula as text for people."""

from collections.abc import Mapping

from kvcalc.formula.expression import Value
from kvcalc.formula.languages.language import Written, refuse_dialect, refuse_unprintable
from kvcalc.formula.target import TEXT, render


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write it as kvcalc prints formulas: cdiv rounds a quotient up, ceil to a multiple.

    Raises:
        RequestError: a dialect is given, or a name has control codes.
    """
    refuse_dialect("text", dialect)
    refuse_unprintable(names.values())
    target = TEXT._replace(variable=lambda name: names.get(name, name))
    return Written(render(expression, target), "exact whatever the sizes")
