"""A formula as a SQL expression, with one set of rules per dialect.

Columns are cast to the dialect's 64-bit integer, because literals and narrow columns may overflow
in 32 bits; a NULL gives NULL, which LEAST and GREATEST alone would ignore.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kvcalc.errors import RequestError
from kvcalc.formula.expression import Value
from kvcalc.formula.languages.language import NAMED, POSITIVE, Written, may_divide_below_zero
from kvcalc.formula.languages.nulls import not_strict
from kvcalc.formula.target import (
    ARITHMETIC,
    ATOM,
    CONDITION,
    PRODUCT,
    SUM,
    Rule,
    Target,
    call,
    render,
    rounded_up,
)
from kvcalc.spelling import spelled, unknown


class Dialect(NamedTuple):
    """A dialect: its 64-bit integer, its exact floor division, min and max, and its quotes.

    `folded` is what a name means that is typed without quotes; one of mixed case keeps it. Every
    part must stay below `limit`; `overflow` says what happens past it.
    """

    integer: str
    quotient: str
    least: str = "LEAST"
    greatest: str = "GREATEST"
    quote: str = '"'
    folded: Callable[[str], str] = str
    modulo: bool = False
    limit: str = "2^63"
    overflow: str = "past it the query fails"

    def divided(self, a: str, b: str | int) -> str:
        """Write the quotient of 64-bit integers, truncated or rounded down."""
        return self.quotient.format(a=a, b=b, integer=self.integer)

    def rest(self, a: str, b: str) -> str:
        """Write the remainder of a division, which has the sign of the dividend."""
        return f"MOD({a}, {b})" if self.modulo else f"({a}) % {b}"


DIALECTS = {
    "duckdb": Dialect("BIGINT", "({a} // {b})"),
    "postgres": Dialect("BIGINT", "({a} / {b})"),
    "sqlite": Dialect(
        "INTEGER",
        "({a} / {b})",
        "MIN",
        "MAX",
        quote="`",
        overflow="past it SQLite turns to floating point",
    ),
    "bigquery": Dialect("INT64", "DIV({a}, {b})", quote="`", modulo=True),
    "spark": Dialect(
        "BIGINT", "({a} DIV {b})", quote="`", overflow="past it Spark 4 fails and Spark 3 wraps"
    ),
    "mysql": Dialect("SIGNED", "({a} DIV {b})", quote="`"),
    "snowflake": Dialect(
        "NUMBER(38, 0)",
        "CAST(({a} - MOD({a}, {b})) / {b} AS NUMBER(38, 0))",
        folded=lambda name: name.upper() if name.islower() else name,
        modulo=True,
        limit="10^32",
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
MySQL DIV, ClickHouse intDiv). Snowflake's / is decimal, so the dividend is first made a multiple; a
quotient uses 6 of its 38 digits for decimals (arithmetic operators). SQLite takes a double-quoted
name that no column has for a text (quirks, 8), and so for 0: its quotes are MySQL's."""

ALIASES = {
    "postgresql": "postgres",
    "databricks": "spark",
    "sqlite3": "sqlite",
}
"""Other names of dialects."""


def dialect_of(name: str) -> str:
    """Find a dialect by its name, in any case.

    Raises:
        RequestError: there is no such dialect.
    """
    found = spelled(name, DIALECTS, ALIASES)
    if found is None:
        raise unknown("dialect", name, list(DIALECTS), field="dialect")
    return found


def target(dialect: str, *, signed: bool = False) -> Target:
    """Build the table of rules of a dialect; `signed` if a dividend may be negative.

    Raises:
        RequestError: there is no such dialect.
    """
    own = DIALECTS[dialect_of(dialect)]

    def divided(a: str, b: str) -> str:
        # ClickHouse's quotient has the width of the dividend, and 163 has 8 bits.
        dividend = f"CAST({a} AS {own.integer})" if a.isdecimal() else a
        return own.divided(dividend, b)

    def floor(a: str, b: str) -> str:
        # Quotients are truncated, so a multiple is divided, which leaves no remainder.
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
            "where": Rule(lambda a, b: f"CASE WHEN {b} THEN {a} END", ATOM, (SUM, CONDITION)),
        },
    )


def render_sql(expression: Value, dialect: str, names: Mapping[str, str]) -> str:
    """Write an expression over columns.

    Raises:
        RequestError: there is no such dialect, or a name cannot be that of a column.
    """
    rules = target(dialect, signed=may_divide_below_zero(expression))
    own = DIALECTS[dialect]
    columns = {name: _column(column, own) for name, column in names.items()}
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
"""A word, perhaps after its table and schema, that means the same without quotes."""


def _column(name: str, own: Dialect) -> str:
    """Quote a column's name, which may be any word of the language: order, true, current_date."""
    if name in NAMED:
        return name
    if PLAIN.fullmatch(name):
        parts = [own.folded(part) for part in name.split(".")]
    elif name.isprintable() and 0 < len(name) <= 200 and not {"\\", own.quote} & set(name):
        parts = [name]
    else:
        raise RequestError.of("name", name, "a column's name")
    return ".".join(f"{own.quote}{part}{own.quote}" for part in parts)


def written(expression: Value, names: Mapping[str, str], dialect: str | None) -> Written:
    """Write it for a SELECT, by default in DuckDB's dialect.

    Raises:
        RequestError: as `render_sql`.
    """
    dialect = dialect_of(dialect or "duckdb")
    text = render_sql(expression, dialect, names)
    own = DIALECTS[dialect]
    return Written(text, f"{POSITIVE} while every part is below {own.limit}; {own.overflow}")
