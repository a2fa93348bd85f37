"""A formula as Python source."""

from collections.abc import Mapping
from keyword import iskeyword

from kvcalc.errors import RequestError, quote
from kvcalc.formula.expression import Value, variables_of
from kvcalc.formula.languages.language import POSITIVE, Written, refuse_dialect
from kvcalc.formula.target import PYTHON, render

CALLED = {"min", "max", "numpy"}
"""Names that the text itself uses, so no variable may have them."""


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write a lambda of the variables.

    Raises:
        RequestError: a name is not an identifier.
    """
    refuse_dialect("python", dialect)
    taken = [names[name] for name in names if name in variables_of(expression)]
    refuse_no_identifiers(taken)
    target = PYTHON._replace(variable=names.__getitem__)
    text = f"lambda {', '.join(taken)}: {render(expression, target)}"
    return Written(text, f"{POSITIVE}, whatever the sizes")


def refuse_no_identifiers(names: list[str]) -> None:
    """Refuse names that are not plain identifiers, or that occur twice.

    Raises:
        RequestError: there is such a name.
    """
    for name in names:
        if not (name.isascii() and name.isidentifier()) or iskeyword(name) or name in CALLED:
            raise RequestError.of("name", name, "an identifier")
        if names.count(name) > 1:
            raise RequestError.about("name", f"found {quote(name)} for two variables", found=name)
