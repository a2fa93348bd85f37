"""A formula as a SQL expression, one spelling a dialect.

Columns are cast to the dialect's 64-bit integer, for literals and narrow columns overflow in 32
bits elsewhere; a NULL gives NULL, which LEAST and GREATEST alone would pass over.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from kvcalc.errors import KvcalcError, shown
from kvcalc.formula import Value
from kvcalc.outputs.formulas import Written, may_divide_below_zero
from kvcalc.outputs.formulas.nulls import not_strict
from kvcalc.rendering import ARITHMETIC, ATOM, PRODUCT, Rule, Target, call, render, rounded_up


class Dialect(NamedTuple):
    """A dialect: its 64-bit integer, its exact floor division, min and max, and its quotes.

    `overflow` says what becomes of a result past 64 bits.
    """

    integer: str
    quotient: str
    least: str = "LEAST"
    greatest: str = "GREATEST"
    quote: str = '"'
    modulo: bool = False
    overflow: str = "past it the query fails"

    def rest(self, a: str, b: str) -> str:
        """Write the rest of a division, which has the sign of what is divided."""
        return f"MOD({a}, {b})" if self.modulo else f"({a}) % {b}"


DIALECTS = {
    "duckdb": Dialect("BIGINT", "({a} // {b})"),
    "postgres": Dialect("BIGINT", "({a} / {b})"),
    "sqlite": Dialect(
        "INTEGER", "({a} / {b})", "MIN", "MAX", overflow="past it SQLite turns to floating point"
    ),
    "bigquery": Dialect("INT64", "DIV({a}, {b})", quote="`", modulo=True),
    "spark": Dialect(
        "BIGINT", "({a} DIV {b})", quote="`", overflow="past it Spark 4 fails and Spark 3 wraps"
    ),
    "snowflake": Dialect(
        "NUMBER(38, 0)", "CAST(({a} - MOD({a}, {b})) / {b} AS NUMBER(38, 0))", modulo=True
    ),
    "clickhouse": Dialect(
        "Nullable(Int64)",
        "intDiv({a}, {b})",
        "least",
        "greatest",
        quote="`",
        overflow="past it ClickHouse wraps silently",
    ),
}
"""DuckDB's // and integer / elsewhere divide 64-bit integers exactly (each system's own manual:
DuckDB numeric functions, PostgreSQL 9.3, SQLite expressions, BigQuery DIV, Spark SQL div,
ClickHouse intDiv). Snowflake's / is decimal, so what is divided is first made a multiple."""

BITS = {"snowflake": "10^38"}
"""Below what every part must stay, where it is not 2^63."""


def target(dialect: str, *, signed: bool = False) -> Target:
    """Build the table of rules of a dialect; `signed` where what is divided may be negative.

    Raises:
        KvcalcError: no such dialect.
    """
    if dialect not in DIALECTS:
        raise KvcalcError(f"dialect {shown(dialect)} is unknown; known are {', '.join(DIALECTS)}")
    own = DIALECTS[dialect]

    def divided(a: str, b: str) -> str:
        return own.quotient.format(a=a, b=b, integer=own.integer)

    def floor(a: str, b: str) -> str:
        # Quotients are cut towards 0, so a multiple is divided, which leaves no rest to cut.
        return (
            divided(f"({a} - {own.rest(own.rest(a, b) + ' + ' + b, b)})", b)
            if signed
            else divided(a, b)
        )

    def upwards(a: str, b: str) -> str:
        return f"(-{floor(f'(-{a})', b)})" if signed else divided(f"({rounded_up(a, b)})", b)

    return Target(
        f"SQL ({dialect})",
        {
            **ARITHMETIC,
            "mul": Rule(lambda a, b: f"{a} * {b}", PRODUCT, (PRODUCT, PRODUCT)),
            "floordiv": Rule(floor, ATOM, (ATOM, ATOM)),
            "cdiv": Rule(upwards, ATOM, (ATOM, ATOM)),
            "ceil": Rule(lambda a, b: f"{upwards(a, b)} * {b}", PRODUCT, (ATOM, ATOM)),
            "min": call(own.least),
            "max": call(own.greatest),
        },
    )


def render_sql(expression: Value, dialect: str, names: Mapping[str, str]) -> str:
    """Write an expression over columns.

    Raises:
        KvcalcError: no such dialect, or a name that cannot be a column's.
    """
    rules = target(dialect, signed=may_divide_below_zero(expression))
    own = DIALECTS[dialect]
    columns = {name: _column(column, own.quote) for name, column in names.items()}
    text = render(
        expression,
        rules._replace(variable=lambda name: f"CAST({columns[name]} AS {own.integer})"),
    )
    guarded = [] if dialect == "sqlite" else not_strict(expression)
    if not guarded:
        return text
    there = " AND ".join(f"{columns[name]} IS NOT NULL" for name in guarded)
    return f"CASE WHEN {there} THEN {text} END"


PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*){0,2}")
RESERVED = {"window", "order", "group", "select", "from", "where", "end", "case", "user", "limit"}


def _column(name: str, quote: str) -> str:
    """Quote a column's name where it is no plain word."""
    if PLAIN.fullmatch(name) and name.lower() not in RESERVED:
        return name
    if not name.isprintable() or not 0 < len(name) <= 200 or "\\" in name or quote in name:
        raise KvcalcError(f"name: found {shown(name)}, expected a column's name")
    return f"{quote}{name}{quote}"


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write it for a SELECT, in DuckDB's dialect unless another is given.

    Raises:
        KvcalcError: as `render_sql`.
    """
    dialect = dialect or "duckdb"
    text = render_sql(expression, dialect, names)
    bits = BITS.get(dialect, "2^63")
    return Written(text, f"exact while every part is below {bits}; {DIALECTS[dialect].overflow}")
