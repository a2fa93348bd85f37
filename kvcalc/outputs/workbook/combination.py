"""A combination's formula for a spreadsheet's cell, and its value when the workbook is written."""

from collections.abc import Mapping
from functools import lru_cache

from kvcalc.answers.workbook import MOST, SETTINGS
from kvcalc.answers.workbook.combinations import Combination, at
from kvcalc.errors import RequestError
from kvcalc.formula.expression import Value, substituted
from kvcalc.formula.formula import Formula
from kvcalc.formula.languages import excel
from kvcalc.outputs.workbook.cells import quote
from kvcalc.outputs.workbook.limits import exact


def cell_text(
    one: Combination,
    formula: Formula,
    inputs: Mapping[str, str | int],
    names: Mapping[str, str],
) -> str:
    """Write a formula; a setting that Plan has with this value stands by its name.

    Raises:
        KvcalcError: the formula is too long for a cell, or not exact there.
    """
    spelled = {name: cell for name, cell in names.items() if name != "window"}
    if "window" in names and "window" in formula.variables:
        spelled["window"] = names["window"]
    for name in SETTINGS:
        if formula.variables.get(name) == inputs[name]:
            spelled[name] = name
    own = tuple((name, value) for name, value in formula.variables.items() if name not in spelled)
    text = excel.written(_opened(formula.expression, own, tuple(spelled)), spelled, None).text
    if one.most_sequences is None or "sequences" not in names:
        return text
    refused = quote(one.refused_sequences)
    return f"=IF({names['sequences']}>{one.most_sequences},{refused},{text[1:]})"


def cell_value(one: Combination, formula: Formula, context: int, sequences: int) -> int | str:
    """The value of the formula: bytes, or the sentence if there are too many sequences."""
    if one.most_sequences is not None and sequences > one.most_sequences:
        return one.refused_sequences[:250]
    return at(one, formula, context, sequences)


def of_sequences(formula: Formula, sequences: int) -> Formula:
    """Fix the number of sequences."""
    expression = substituted(formula.expression, {"sequences": sequences})
    return Formula(expression, formula.variables)


def is_linear(value: Value, name: str) -> bool:
    """Whether an expression sums terms without a variable and multiples of that variable."""
    return _degree(value, name) <= 1


def _degree(value: Value, name: str) -> int:
    if isinstance(value, int):
        return 0
    if value.kind == "variable":
        return int(value.name == name)
    left, right = (_degree(operand, name) for operand in value.operands)
    if value.kind in ("add", "sub"):
        return max(left, right)
    if value.kind == "mul":
        return left + right
    return 2 if left or right else 0


@lru_cache(maxsize=8)  # a row has a formula in several cells, each with other inputs
def _opened(
    expression: Value, own: tuple[tuple[str, int], ...], left_open: tuple[str, ...]
) -> Value:
    """Put own values into an expression, which must stay exact at any inputs that are left open."""
    opened = substituted(expression, dict(own))
    most = {name: MOST[name] for name in left_open}
    if not exact(opened, dict.fromkeys(left_open, 1), most, magnitude=False):
        raise RequestError("not in a spreadsheet: what is divided could pass 2^47", field="formula")
    return opened
