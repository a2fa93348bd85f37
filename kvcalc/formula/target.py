"""How an expression is written down: for each target language, a rule per kind of node.

A target that lacks a rule for a kind refuses it, and never prints anything else.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from kvcalc.errors import RequestError


class Node(Protocol):
    """What is read of an expression to write it: its kind and operands, or a variable's name."""

    @property
    def kind(self) -> str:
        """The key of its rule, or "variable"."""

    @property
    def operands(self) -> tuple[Any, ...]:
        """Ints and nodes, or the variable's name."""


CONDITION, SUM, FLOOR, PRODUCT, ATOM = 0, 1, 2, 3, 4
"""How tightly a text binds. Floor division stands apart from the product, for a reader's sake."""


class Rule(NamedTuple):
    """How one kind of node is written.

    `write` joins the operands' texts. `binds` is how tightly the result binds; `needs` is how
    tightly each operand has to bind to stand without parentheses.
    """

    write: Callable[[str, str], str]
    binds: int
    needs: tuple[int, int]


def call(name: str) -> Rule:
    """Write a node as a call of a function of that name."""
    return Rule(lambda a, b: f"{name}({a}, {b})", ATOM, (SUM, SUM))


class Target(NamedTuple):
    """A language to write expressions in: its name and a rule per kind of node.

    `literal` writes an int of at least 0 and `variable` a name, each so that it binds as an atom.
    """

    name: str
    rules: Mapping[str, Rule]
    literal: Callable[[int], str] = str
    variable: Callable[[str], str] = str


def render(value: int | Node, target: Target) -> str:
    """Write an expression in a target's language.

    Raises:
        KvcalcError: the target has no rule for a kind of node in the expression.
    """
    return _render(value, target)[0]


def _render(value: int | Node, target: Target) -> tuple[str, int]:
    if isinstance(value, int):
        return (target.literal(value), ATOM) if value >= 0 else (f"-{target.literal(-value)}", SUM)
    if value.kind == "variable":
        return target.variable(*value.operands), ATOM
    rule = target.rules.get(value.kind)
    if rule is None:
        raise RequestError(f"{target.name} has no form for {value.kind!r}", field="target")
    texts = []
    for operand, needed in zip(value.operands, rule.needs, strict=True):
        text, binds = _render(operand, target)
        texts.append(text if binds >= needed else f"({text})")
    return rule.write(*texts), rule.binds


def rounded_up(dividend: str, divisor: str) -> str:
    """Write what is divided so that a quotient which drops its rest has been rounded up."""
    if divisor.isdecimal():
        return f"{dividend} + {int(divisor) - 1}"
    return f"{dividend} + {divisor} - 1"


def _times(a: str, b: str) -> str:
    """Write a product as people do: 12*context, but (x + y) * 4096."""
    return f"{a} * {b}" if "(" in (a[0], b[0]) else f"{a}*{b}"


ARITHMETIC = {
    "add": Rule(lambda a, b: f"{a} + {b}", SUM, (SUM, SUM)),
    "sub": Rule(lambda a, b: f"{a} - {b}", SUM, (SUM, FLOOR)),
    "mul": Rule(_times, PRODUCT, (PRODUCT, PRODUCT)),
    "floordiv": Rule(lambda a, b: f"{a} // {b}", FLOOR, (PRODUCT, ATOM)),
    "min": call("min"),
    "max": call("max"),
    "at_most": Rule(lambda a, b: f"{a} <= {b}", CONDITION, (SUM, SUM)),
}

TEXT = Target(
    "text",
    ARITHMETIC
    | {
        "cdiv": call("cdiv"),
        "ceil": call("ceil"),
        "where": Rule(lambda a, b: f"{a}, where {b}", CONDITION, (CONDITION, CONDITION)),
    },
)
"""For people: cdiv(a, b) divides rounding up, ceil(a, b) rounds a up to a multiple of b."""

PYTHON = Target(
    "Python",
    ARITHMETIC
    | {
        "cdiv": Rule(lambda a, b: f"-(-{a} // {b})", PRODUCT, (ATOM, ATOM)),
        "ceil": Rule(lambda a, b: f"-(-{a} // {b}) * {b}", PRODUCT, (ATOM, ATOM)),
        "where": Rule(lambda a, b: f"{a} if {b} else None", CONDITION, (SUM, CONDITION)),
    },
)
"""Python's own integers: exact whatever their size."""
