"""What one request holds while it lives, as SQL over a column of its tokens."""

from typing import TYPE_CHECKING, NamedTuple

from kvcalc.answers.traces.rules import Rule
from kvcalc.formula.expression import substituted
from kvcalc.formula.languages.sql import render_sql

if TYPE_CHECKING:
    from kvcalc.formula.formula import Formula


class RequestBytes(NamedTuple):
    """What one request holds while it lives: a SQL expression over the column `of`, in bytes.

    `shared` is bytes per token of a prompt's block; requests that share the block hold them once.
    """

    sql: str
    of: str = "tokens"
    shared: int = 0


def request_bytes(rule: Rule, *, shared: bool = False, dialect: str = "duckdb") -> RequestBytes:
    """Write what a request adds by a rule, as SQL over tokens or prompt; 0 tokens hold 0 bytes."""
    assert rule.request is not None
    values: Formula = rule.request
    expression = substituted(values.expression, values.variables)
    text = render_sql(expression, dialect, {"context": rule.of})
    if substituted(expression, {"context": 0}) != 0:
        text = f"CASE WHEN {rule.of} > 0 THEN {text} ELSE 0 END"
    return RequestBytes(text, rule.of, rule.bytes_of_a_token if shared else 0)
