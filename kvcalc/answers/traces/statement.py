"""The sweep over a trace as one statement of SQL, whatever the formats and engines before it.

Two levels, so that a cluster can divide it: instants are cut into slices of time, summed within
each, and offset by what the slices before come to. Percentiles of time are found in a histogram of
levels and exactly within one of its buckets, never by sorting all instants.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kvcalc.outputs.formulas.sql import DIALECTS, target

SLICES = 4_096
BUCKETS = 4_096
PERCENTILES = (50, 95, 99)

WIDE = {"duckdb": "HUGEINT", "spark": "DECIMAL(38, 0)", "clickhouse": "Int256"}
"""Each dialect's integer for bytes times time; NUMERIC(38, 0) elsewhere."""


class Weight(NamedTuple):
    """What one request holds while it lives: a SQL expression over tokens or prompt, in bytes.

    `shared` is bytes of a token of a prompt's block, which requests that share the block hold once.
    """

    sql: str
    shared: int = 0


def statement(
    weights: Sequence[Weight],
    *,
    dialect: str = "duckdb",
    shared: bool = False,
    first: int | None = None,
    last: int | None = None,
) -> str:
    """Write the statement over trace(t0, t1, tokens, prompt): a row a weight, in their order.

    Its columns: weight, peak, peak_at, sequences at it, p50, p95, p99, mean, and the most sequences
    at once. Times are microseconds; `first` and `last` trim the trace. With `shared` a table
    shared_blocks(t, tokens) says how many tokens' blocks are held once rather than again.

    Raises:
        KvcalcError: no such dialect.
    """
    places = range(len(weights))
    wide = WIDE.get(dialect, "NUMERIC(38, 0)")
    sums = ", ".join(
        f"max(b{place}) AS peak{place}, sum(CAST(b{place} AS {wide}) * held) AS total{place}"
        for place in places
    )
    parts = [
        *_levels(weights, dialect, shared, first, last),
        f"whole AS (SELECT {sums}, max(sequences) AS most FROM levels)",
        *(part for place in places for part in _percentiles(place, dialect)),
    ]
    answers = "\nUNION ALL ".join(_answer(place, dialect) for place in places)
    return "WITH " + ",\n".join(parts) + f"\n{answers}\nORDER BY weight"


def timeline(weights: Sequence[Weight], *, shared: bool = False) -> str:
    """Write the query of the levels themselves: t, held (microseconds), sequences, b0, b1 ..."""
    names = ", ".join(f"max(b{place}) AS b{place}" for place in range(len(weights)))
    parts = ",\n".join(_levels(weights, "duckdb", shared, None, None))
    return (
        f"WITH {parts}\nSELECT t, max(held) AS held, max(sequences) AS sequences, {names} "
        "FROM levels GROUP BY t ORDER BY t"
    )


def _levels(
    weights: Sequence[Weight], dialect: str, shared: bool, first: int | None, last: int | None
) -> list[str]:
    """Write the levels after each event; events at one instant all have the level after them."""
    target(dialect)
    own = DIALECTS[dialect]
    places = range(len(weights))

    def each(text: str) -> str:
        return ", ".join(text.format(i=place) for place in places)

    start = "t0" if first is None else f"{own.greatest}(t0, {first})"
    end = "t1" if last is None else f"{own.least}(t1, {last})"
    held = ", ".join(f"{one.sql} AS w{place}" for place, one in enumerate(weights))
    saved = ", ".join(f"tokens * {one.shared}" for one in weights)
    blocks = f" UNION ALL SELECT t, 0, {saved} FROM shared_blocks" if shared else ""
    width = own.quotient.format(a="(max(t1) - min(t0))", b=SLICES, integer=own.integer)
    slices = own.quotient.format(a="t", b="slice_width", integer=own.integer)
    once = "AS MATERIALIZED " if dialect == "duckdb" else "AS "
    return [
        f"lives AS (SELECT {start} AS t0, {end} AS t1, {held} FROM trace WHERE {end} > {start})",
        "span AS (SELECT min(t0) AS first, max(t1) AS last, "
        f"{width} + 1 AS slice_width FROM lives)",
        f"changes AS (SELECT t0 AS t, 1 AS n, {each('w{i}')} FROM lives"
        f" UNION ALL SELECT t1, -1, {each('-w{i}')} FROM lives{blocks})",
        f"events AS (SELECT {slices} AS slice, t, n, {each('w{i}')} FROM changes, span)",
        f"slices AS (SELECT slice, min(t) AS t, sum(n) AS n, {each('sum(w{i}) AS w{i}')} "
        "FROM events GROUP BY slice)",
        "offsets AS (SELECT slice, lead(t) OVER ordered AS next, "
        f"CAST(sum(n) OVER ordered - n AS {own.integer}) AS before, "
        + each(f"CAST(sum(w{{i}}) OVER ordered - w{{i}} AS {own.integer}) AS before{{i}}")
        + " FROM slices WINDOW ordered AS (ORDER BY slice))",
        f"levels {once}(SELECT e.t, coalesce(lead(e.t) OVER within, o.next, e.t) - e.t AS held, "
        f"CAST(o.before + sum(e.n) OVER within AS {own.integer}) AS sequences, "
        + each(f"CAST(o.before{{i}} + sum(e.w{{i}}) OVER within AS {own.integer}) AS b{{i}}")
        + " FROM events e JOIN offsets o ON e.slice = o.slice"
        " WINDOW within AS (PARTITION BY e.slice ORDER BY e.t))",
    ]


def _percentiles(place: int, dialect: str) -> list[str]:
    """Write a histogram of time by level, and the levels within the buckets that matter."""
    own = DIALECTS[dialect]
    width = own.quotient.format(a=f"peak{place}", b=BUCKETS, integer=own.integer)
    bucket = own.quotient.format(a=f"b{place}", b=f"({width} + 1)", integer=own.integer)
    needs = " UNION ALL ".join(
        f"SELECT {percent} AS p, "
        + own.quotient.format(a=f"((last - first) * {percent} + 99)", b=100, integer=own.integer)
        + " AS need FROM span"
        for percent in PERCENTILES
    )
    return [
        f"bucket{place} AS (SELECT {bucket} AS bucket, sum(held) AS held "
        f"FROM levels, whole GROUP BY {bucket})",
        f"upto{place} AS (SELECT bucket, sum(held) OVER (ORDER BY bucket) AS upto, "
        f"sum(held) OVER (ORDER BY bucket) - held AS before FROM bucket{place})",
        f"need{place} AS (SELECT p, need, min(bucket) AS bucket "
        f"FROM ({needs}) AS needs, upto{place} WHERE upto >= need GROUP BY p, need)",
        f"inside{place} AS (SELECT {bucket} AS bucket, b{place} AS level, sum(held) AS held "
        f"FROM levels, whole WHERE {bucket} IN (SELECT bucket FROM need{place}) "
        f"GROUP BY {bucket}, b{place})",
        f"reached{place} AS (SELECT i.bucket, level, before + sum(i.held) "
        f"OVER (PARTITION BY i.bucket ORDER BY level) AS upto FROM inside{place} i "
        f"JOIN upto{place} u ON i.bucket = u.bucket)",
        f"percentile{place} AS (SELECT p, min(level) AS level FROM need{place} n "
        f"JOIN reached{place} r ON n.bucket = r.bucket AND r.upto >= n.need GROUP BY p)",
        f"top{place} AS (SELECT t, sequences FROM levels, whole WHERE b{place} = peak{place})",
    ]


def _answer(place: int, dialect: str) -> str:
    own = DIALECTS[dialect]
    of = f"(SELECT level FROM percentile{place} WHERE p = {{}})"
    mean = own.quotient.format(
        a=f"total{place}", b="(SELECT last - first FROM span)", integer=own.integer
    )
    at = f"(SELECT min(t) FROM top{place})"
    percentiles = ", ".join(f"{of.format(percent)} AS p{percent}" for percent in PERCENTILES)
    return (
        f"SELECT {place} AS weight, peak{place} AS peak, {at} AS peak_at, "
        f"(SELECT max(sequences) FROM top{place} WHERE t = {at}) AS sequences, "
        f"{percentiles}, CAST({mean} AS {own.integer}) AS mean, most FROM whole"
    )
