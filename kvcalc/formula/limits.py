"""Limits on quantities, as data: how many sequences an engine runs, and which numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvcalc.errors import RequestError
from kvcalc.formula.expression import Expression, Value, evaluated, substituted
from kvcalc.formula.target import TEXT, render


@dataclass(frozen=True)
class Limit:
    """A limit on the quantity `field`: the value of an expression is at most `most`.

    `expected` says in words what is right; braces in it are filled with the value of `told`.
    """

    field: str
    value: Value
    most: int
    expected: str
    told: Value = 0

    def refusal(self, quantities: Mapping[str, int]) -> RequestError:
        """Say what was expected of quantities that are past the limit."""
        found = quantities[self.field]
        expected = self.expected.format(evaluated(self.told, quantities))
        return RequestError.about(self.field, f"found {found:,}", found=found, expected=expected)

    def __str__(self) -> str:
        return f"{render(self.value, TEXT)} <= {self.most}"


def limited(expression: Value, limits: Iterable[Limit], values: Mapping[str, int]) -> Value:
    """Put values into an expression, which then is defined only within the remaining limits.

    Raises:
        RequestError: the values alone are past a limit.
    """
    expression = substituted(expression, values)
    for limit in limits:
        value = substituted(limit.value, values)
        if not isinstance(value, int):
            within = Expression("at_most", (value, limit.most))
            expression = Expression("where", (expression, within))
        elif value > limit.most:
            raise limit.refusal(values)
    return expression
