"""The sweep over a trace as one statement of SQL, whatever the formats and engines before it.

Two levels, so that a cluster can divide it: changes are cut into slices of time, summed within
each, and offset by what the slices before come to. Percentiles are found in a histogram of levels
and exactly within one of its buckets, never by sorting all levels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kvcalc.outputs.formulas.sql import DIALECTS, target

SLICES = 2**18
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


class Trim(NamedTuple):
    """The part of a trace that is looked at, in microseconds from its first start."""

    first: int | None = None
    last: int | None = None


WHOLE = Trim()


def statement(
    weights: Sequence[Weight],
    *,
    dialect: str = "duckdb",
    shared: bool = False,
    trim: Trim = WHOLE,
) -> str:
    """Write the statement over trace(t0, t1, tokens): a row a weight, in their order.

    Its columns: weight, peak, peak_at, sequences at it, p50, p95, p99 and mean; all but the first
    are null where no request lives. Times are microseconds. With `shared` a table
    shared_blocks(t, tokens) says how many tokens' blocks are held once rather than again.

    Raises:
        KvcalcError: no such dialect.
    """
    places = range(len(weights))
    wide = WIDE.get(dialect, "NUMERIC(38, 0)")
    sums = ", ".join(
        f"max(b{i}) AS peak{i}, sum(CAST(b{i} AS {wide}) * held) AS total{i}" for i in places
    )
    parts = [
        *_levels(weights, dialect, shared, trim),
        f"whole AS (SELECT {sums} FROM levels)",
        *(part for place in places for part in _percentiles(place, dialect)),
    ]
    answers = "\nUNION ALL ".join(_answer(place, dialect) for place in places)
    return "WITH " + ",\n".join(parts) + f"\n{answers}\nORDER BY weight"


def timeline(weights: Mapping[str, Weight], *, shared: bool = False, trim: Trim = WHOLE) -> str:
    """Write the query of the level at each instant: t in microseconds, and a column a weight."""
    names = ", ".join(f'max(b{place}) AS "{name}"' for place, name in enumerate(weights))
    parts = ",\n".join(_levels(list(weights.values()), "duckdb", shared, trim, frame="RANGE"))
    return f"WITH {parts}\nSELECT t, {names} FROM levels GROUP BY t ORDER BY t"


def _changes(weights: Sequence[Weight], dialect: str, shared: bool, trim: Trim) -> list[str]:
    """Write span and changes: at t, bytes that come (step 1) or go (step -1)."""
    target(dialect)
    own = DIALECTS[dialect]
    places = range(len(weights))
    start = "t0" if trim.first is None else f"{own.greatest}(t0, {trim.first})"
    end = "t1" if trim.last is None else f"{own.least}(t1, {trim.last})"
    first = "min(t0)" if trim.first is None else f"{own.greatest}(min(t0), {trim.first})"
    last = "max(t1)" if trim.last is None else f"{own.least}(max(t1), {trim.last})"
    held = ", ".join(f"{one.sql} AS w{place}" for place, one in enumerate(weights))
    saved = ", ".join(f"tokens * {one.shared}" for one in weights)
    inside = f"{own.greatest}(first, {own.least}(last, t))"
    blocks = (
        f" UNION ALL SELECT {inside}, CASE WHEN tokens > 0 THEN 1 ELSE -1 END, {saved} "
        "FROM shared_blocks, span"
    )
    width = own.quotient.format(a=f"({last} - {first})", b=SLICES, integer=own.integer)
    return [
        f"span AS (SELECT {first} AS first, {last} AS last, {width} + 1 AS slice_width "
        "FROM trace WHERE t1 > t0)",
        f"lives AS (SELECT {start} AS t0, {end} AS t1, {held} FROM trace WHERE {end} > {start})",
        f"changes AS (SELECT t0 AS t, 1 AS step, {', '.join(f'w{i} AS d{i}' for i in places)} "
        f"FROM lives UNION ALL SELECT t1, -1, {', '.join(f'-w{i}' for i in places)} FROM lives"
        f"{blocks if shared else ''}"
        f" UNION ALL SELECT first, 1, {', '.join('0' for _ in places)} FROM span "
        "WHERE first < (SELECT max(t1) FROM lives))",
    ]


def _levels(
    weights: Sequence[Weight], dialect: str, shared: bool, trim: Trim, frame: str = "ROWS"
) -> list[str]:
    """Write the level after each change and how long it is held.

    Of one instant those that go stand before those that come, so that between them a level is
    never above both its own and the last's; RANGE gives all of them the instant's own.
    """
    own = DIALECTS[dialect]

    def each(text: str) -> str:
        return ", ".join(text.format(i=place) for place in range(len(weights)))

    slices = own.quotient.format(a="(t - first)", b="slice_width", integer=own.integer)
    once = "AS MATERIALIZED " if dialect == "duckdb" else "AS "
    inside = "PARTITION BY slice ORDER BY t" + (", step" if frame == "ROWS" else "")
    return [
        *_changes(weights, dialect, shared, trim),
        f"sliced AS (SELECT {slices} AS slice, t, step, {each('d{i}')} FROM changes, span)",
        f"slices AS (SELECT slice, min(t) AS begins, {each('sum(d{i}) AS d{i}')} "
        "FROM sliced GROUP BY slice)",
        "offsets AS (SELECT slice, LEAD(begins) OVER (ORDER BY slice) AS ends, "
        + each(f"CAST(sum(d{{i}}) OVER (ORDER BY slice) - d{{i}} AS {own.integer}) AS before{{i}}")
        + " FROM slices)",
        f"sums AS (SELECT slice, t, LEAD(t) OVER ({inside}) AS following, "
        + each(f"sum(d{{i}}) OVER ({inside} {frame} UNBOUNDED PRECEDING) AS b{{i}}")
        + " FROM sliced)",
        f"levels {once}(SELECT t, COALESCE(following, ends, last) - t AS held, "
        + each(f"CAST(before{{i}} + b{{i}} AS {own.integer}) AS b{{i}}")
        + " FROM sums JOIN offsets ON sums.slice = offsets.slice CROSS JOIN span)",
    ]


def _percentiles(place: int, dialect: str) -> list[str]:
    """Write a histogram of time by level, and the levels within the buckets that matter.

    What an engine of queries computes again at each mention is mentioned once or twice.
    """
    own = DIALECTS[dialect]
    width = own.quotient.format(a=f"peak{place}", b=BUCKETS, integer=own.integer)
    bucket = own.quotient.format(a=f"b{place}", b=f"({width} + 1)", integer=own.integer)
    needs = " UNION ALL ".join(
        f"SELECT {percent} AS p, "
        + own.quotient.format(a=f"((last - first) * {percent} + 99)", b=100, integer=own.integer)
        + " AS need FROM span"
        for percent in PERCENTILES
    )
    picked = ", ".join(
        f"min(CASE WHEN p = {percent} THEN level END) AS p{percent}" for percent in PERCENTILES
    )
    wanted = ", ".join(
        f"max(CASE WHEN p = {percent} THEN bucket END) AS bucket{percent}"
        for percent in PERCENTILES
    )
    return [
        f"buckets{place} AS (SELECT {bucket} AS bucket, b{place} AS level, held "
        "FROM levels CROSS JOIN whole)",
        f"bucket{place} AS (SELECT bucket, sum(held) AS held FROM buckets{place} GROUP BY bucket)",
        f"upto{place} AS (SELECT bucket, sum(held) OVER (ORDER BY bucket) - held AS before, "
        f"sum(held) OVER (ORDER BY bucket) AS upto FROM bucket{place})",
        f"need{place} AS (SELECT p, need, bucket, before FROM ({needs}) AS needs "
        f"JOIN upto{place} ON before < need AND need <= upto)",
        f"wanted{place} AS (SELECT {wanted} FROM need{place})",
        f"level{place} AS (SELECT bucket, level, sum(held) AS held "
        f"FROM buckets{place} CROSS JOIN wanted{place} "
        f"WHERE bucket IN ({', '.join(f'bucket{percent}' for percent in PERCENTILES)}) "
        "GROUP BY bucket, level)",
        f"reached{place} AS (SELECT bucket, level, sum(held) "
        f"OVER (PARTITION BY bucket ORDER BY level) AS upto FROM level{place})",
        f"percentile{place} AS (SELECT {picked} FROM reached{place} r "
        f"JOIN need{place} n ON r.bucket = n.bucket AND before + upto >= need)",
        f"top{place} AS (SELECT min(t) AS peak_at FROM levels, whole WHERE b{place} = peak{place})",
    ]


def _answer(place: int, dialect: str) -> str:
    own = DIALECTS[dialect]
    mean = own.quotient.format(a=f"total{place}", b="(last - first)", integer=own.integer)
    percentiles = ", ".join(f"p{percent}" for percent in PERCENTILES)
    return (
        f"SELECT {place} AS weight, peak{place} AS peak, peak_at, "
        f"(SELECT count(*) FROM lives, top{place} WHERE t0 <= peak_at AND t1 > peak_at) "
        f"AS sequences, {percentiles}, CAST({mean} AS {own.integer}) AS mean "
        f"FROM whole, span, top{place}, percentile{place}"
    )
