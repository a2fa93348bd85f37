"""A formula in LaTeX, for papers."""

from collections.abc import Mapping

from kvcalc.formula.expression import Value
from kvcalc.formula.languages.language import Written, refuse_dialect, refuse_unprintable
from kvcalc.formula.target import ATOM, CONDITION, PRODUCT, SUM, Rule, Target, render

ESCAPED = str.maketrans({char: f"\\{char}" for char in "&%$#_{}"} | {"\\": "\\textbackslash{}"})


def _name(name: str) -> str:
    return f"\\mathrm{{{name.translate(ESCAPED)}}}"


def _function(name: str) -> Rule:
    return Rule(lambda a, b: f"\\{name}\\left({a}, {b}\\right)", ATOM, (SUM, SUM))


LATEX = Target(
    "LaTeX",
    {
        "add": Rule(lambda a, b: f"{a} + {b}", SUM, (SUM, SUM)),
        "sub": Rule(lambda a, b: f"{a} - {b}", SUM, (SUM, PRODUCT)),
        "mul": Rule(lambda a, b: f"{a} \\cdot {b}", PRODUCT, (PRODUCT, PRODUCT)),
        "floordiv": Rule(
            lambda a, b: f"\\left\\lfloor \\frac{{{a}}}{{{b}}} \\right\\rfloor", ATOM, (SUM, SUM)
        ),
        "cdiv": Rule(
            lambda a, b: f"\\left\\lceil \\frac{{{a}}}{{{b}}} \\right\\rceil", ATOM, (SUM, SUM)
        ),
        "ceil": Rule(
            lambda a, b: f"\\left\\lceil \\frac{{{a}}}{{{b}}} \\right\\rceil \\cdot {b}",
            PRODUCT,
            (SUM, ATOM),
        ),
        "min": _function("min"),
        "max": _function("max"),
        "at_most": Rule(lambda a, b: f"{a} \\le {b}", CONDITION, (SUM, SUM)),
        "where": Rule(
            lambda a, b: f"{a} \\quad \\text{{where }} {b}", CONDITION, (CONDITION, CONDITION)
        ),
    },
)


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write it for math mode.

    Raises:
        RequestError: a dialect is given, or a name has control codes.
    """
    refuse_dialect("latex", dialect)
    refuse_unprintable(names.values())
    target = LATEX._replace(variable=lambda name: _name(names[name]))
    return Written(render(expression, target), "mathematics: exact")
