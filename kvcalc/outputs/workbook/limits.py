"""What a spreadsheet can hold (Excel's specifications and limits), and what it holds exactly."""

from collections.abc import Mapping

from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import Value
from kvcalc.formula.languages.excel import MAX_DIVIDED, MAX_EXACT

MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
MAX_TEXT = 32_767


USUAL = {"context": 2**20, "sequences": 2**12, "window": 2**20}
"""Usual amounts: a formula is checked once for all amounts up to these."""


def exact(
    expression: Value, least: Mapping[str, int], most: Mapping[str, int], *, magnitude: bool = True
) -> bool:
    """Whether a spreadsheet's doubles evaluate an expression exactly between these amounts.

    Without `magnitude`, whether its quotients are exact, however large the rest becomes.
    """
    between = {name: Bounds(own, most.get(name, own)) for name, own in least.items()}
    reached = extent(expression, between)
    return reached.divided < MAX_DIVIDED and (not magnitude or reached.magnitude <= MAX_EXACT)


def usually_exact(expression: Value, own: Mapping[str, int]) -> bool:
    """Whether it is exact for all usual amounts, other variables at their own values."""
    return exact(expression, {**own, **dict.fromkeys(USUAL, 1)}, {**own, **USUAL})
