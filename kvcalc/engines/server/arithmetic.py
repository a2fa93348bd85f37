"""Sums of whole numbers as a shell writes them: 64 * 1024. Nothing else is worked out."""

import ast
import operator
from collections.abc import Callable, Mapping

MOST = 2**63 - 1
"""The largest number of a shell."""

OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
}


def worked_out(text: str) -> int | None:
    """Work a sum out; None if the text is no sum, or needs a number past a shell's largest."""
    if len(text) > 200:
        return None
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(node: ast.AST) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        found = node.value
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        found = OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    else:
        raise ValueError(ast.dump(node))
    if abs(found) > MOST:
        raise ValueError(found)
    return found
