"""Where a null would be ignored: for most query engines the smaller of null and 5 is 5."""

from kvcalc.formula.expression import Value, variables_of


def not_strict(expression: Value) -> list[str]:
    """The variables that stand only within min or max, so that their null would not give null."""
    return sorted(variables_of(expression) - _strict(expression))


def _strict(value: Value) -> set[str]:
    if isinstance(value, int) or value.kind in ("min", "max"):
        return set()
    if value.kind == "variable":
        return {value.name}
    return set().union(*map(_strict, value.operands))
