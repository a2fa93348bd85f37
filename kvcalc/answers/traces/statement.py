"""The answers about a trace as one SQL statement, for any format and any engine.

A percentile is found in a histogram of levels, then exactly within one of its buckets, never by
sorting all levels; levels are scanned twice, for any number of sizes.
"""

from collections.abc import Iterable, Mapping, Sequence

from kvcalc.answers.traces.levels import WHOLE, Trim, joined, levels
from kvcalc.answers.traces.request_bytes import RequestBytes
from kvcalc.formula.languages.sql import DIALECTS

BUCKETS = 4_096
PERCENTILES = (50, 95, 99)
PEAK = 100
"""The peak is the 100th percentile of the time."""

COLUMNS_FIRST = {"duckdb"}
"""Dialects that filter levels before they become rows; Spark's planner runs out of memory then."""

WIDE = {
    "duckdb": "HUGEINT",
    "spark": "DECIMAL(38, 0)",
    "mysql": "DECIMAL(38, 0)",
    "clickhouse": "Int256",
}
"""Each dialect's integer for bytes times time; NUMERIC(38, 0) elsewhere."""


def statement(
    sizes: Sequence[RequestBytes],
    *,
    dialect: str = "duckdb",
    shared: bool = False,
    trim: Trim = WHOLE,
    few: bool = False,
) -> str:
    """Write the statement over trace(t0, t1, tokens): one row per size, in their order.

    Its columns: rule, peak, peak_at, sequences at it, p50, p95, p99 and mean; all but the first
    are null where no request lives. Times are microseconds. With `shared`, a table
    shared_blocks(t, tokens) has the tokens of blocks that are held once instead of several times.
    With `few`, levels are kept, and not filtered before they become rows, whatever the dialect: a
    statement that is sooner planned, for few requests.

    Raises:
        KvcalcError: no such dialect.
    """
    parts = {
        **levels(sizes, dialect, shared=shared, trim=trim),
        **_histogram(len(sizes), dialect),
        **_percentiles(len(sizes), dialect, few=few),
        "alive": "SELECT place, sum(CASE WHEN t0 <= peak_at AND t1 > peak_at THEN 1 ELSE 0 END) "
        "AS sequences FROM lives CROSS JOIN reached GROUP BY place",
    }
    own = DIALECTS[dialect]
    # PostgreSQL's decimals divide to fractions, so a multiple is divided.
    mean = own.divided(f"(total - {own.rest('total', '(last - first)')})", "(last - first)")
    percentiles = ", ".join(f"p{percent}" for percent in PERCENTILES)
    return (
        f"{joined(parts, dialect, few=few)}\n"
        f"SELECT places.place AS rule, peak, peak_at, sequences, {percentiles}, "
        f"CAST({mean} AS {own.integer}) AS mean FROM places CROSS JOIN span "
        "LEFT JOIN reached ON places.place = reached.place "
        "LEFT JOIN alive ON places.place = alive.place\n"
        "ORDER BY rule"
    )


def timeline(sizes: Mapping[str, RequestBytes], *, shared: bool = False, trim: Trim = WHOLE) -> str:
    """Write the query for the level at each instant: t in microseconds, one column per size."""
    names = ", ".join(f'max(b{place}) AS "{name}"' for place, name in enumerate(sizes))
    parts = levels(list(sizes.values()), "duckdb", shared=shared, trim=trim, frame="RANGE")
    return f"{joined(parts, 'duckdb')}\nSELECT t, {names} FROM levels GROUP BY t ORDER BY t"


def peak(size: RequestBytes, *, shared: bool = False, trim: Trim = WHOLE, few: bool = False) -> str:
    """Write the query for a size's peak alone, null where no request lives."""
    parts = levels([size], "duckdb", shared=shared, trim=trim)
    # A level that lasts no time is one between requests that end and others that start.
    return f"{joined(parts, 'duckdb', few=few)}\nSELECT max(b0) FROM levels WHERE held > 0"


def _histogram(sizes: int, dialect: str) -> dict[str, str]:
    """Write how long each size's level is in each bucket.

    Equal buckets divide the highest level at which a slice begins; a level may be above that.
    """
    own = DIALECTS[dialect]
    wide = WIDE.get(dialect, "NUMERIC(38, 0)")
    width = own.divided(_at_place("top", sizes), BUCKETS)
    numbers = _numbers("place", range(sizes))
    return {
        "tops": "SELECT "
        + ", ".join(f"max(before{place}) AS top{place}" for place in range(sizes))
        + " FROM offsets",
        "places": f"SELECT place, {width} + 1 AS width FROM {numbers} CROSS JOIN tops",
        **_bucketed("", "levels", sizes, dialect),
        "histogram": "SELECT place, bucket, sum(held) AS lasting, "
        f"sum(CAST(level AS {wide}) * held) AS bytes_time FROM buckets GROUP BY place, bucket",
    }


def _numbers(name: str, values: Iterable[int]) -> str:
    rows = " UNION ALL ".join(f"SELECT {value} AS {name}" for value in values)
    return f"({rows}) AS numbers"


def _at_place(column: str, sizes: int) -> str:
    """Write the column of the size at the row's place: b0, b1, ... for b."""
    cases = " ".join(f"WHEN place = {place} THEN {column}{place}" for place in range(sizes))
    return f"CASE {cases} END"


def _bucketed(prefix: str, of: str, sizes: int, dialect: str) -> dict[str, str]:
    """Write buckets: one row per level and size, with its bucket."""
    bucket = DIALECTS[dialect].divided("level", "width")
    return {
        f"{prefix}placed": f"SELECT place, width, t, held, {_at_place('b', sizes)} AS level "
        f"FROM {of} CROSS JOIN places",
        f"{prefix}buckets": f"SELECT place, {bucket} AS bucket, t, held, level FROM {prefix}placed",
    }


def _percentiles(sizes: int, dialect: str, *, few: bool) -> dict[str, str]:
    """Write the lowest levels that cover a share of the time, sorting within buckets only."""
    own = DIALECTS[dialect]
    near = _near(sizes, dialect) if dialect in COLUMNS_FIRST and not few else {}
    of = "near_buckets" if near else "buckets"
    need = own.divided("((last - first) * p + 99)", 100)
    numbers = _numbers("p", (*PERCENTILES, PEAK))

    def least(column: str, percent: int) -> str:
        return f"min(CASE WHEN p = {percent} THEN {column} END)"

    upto = "sum(lasting) OVER (PARTITION BY place ORDER BY bucket)"
    picked = ", ".join(f"{least('level', one)} AS p{one}" for one in PERCENTILES)
    return {
        "needs": f"SELECT p, {need} AS need FROM {numbers} CROSS JOIN span",
        "passed": f"SELECT place, bucket, {upto} - lasting AS below, {upto} AS upto, "
        "sum(bytes_time) OVER (PARTITION BY place) AS total FROM histogram",
        "needed": "SELECT place, p, bucket, need - below AS rest, total "
        "FROM needs JOIN passed ON below < need AND need <= upto",
        "wanted": "SELECT DISTINCT place, bucket FROM needed",
        **near,
        "candidates": f"SELECT {of}.place AS place, {of}.bucket AS bucket, level, "
        "sum(held) AS lasting, min(t) AS since "
        f"FROM {of} JOIN wanted ON {of}.place = wanted.place AND {of}.bucket = wanted.bucket "
        f"GROUP BY {of}.place, {of}.bucket, level",
        "running": "SELECT place, bucket, level, since, sum(lasting) "
        "OVER (PARTITION BY place, bucket ORDER BY level) AS reaches FROM candidates",
        "reached": f"SELECT running.place AS place, {picked}, "
        f"{least('level', PEAK)} AS peak, {least('since', PEAK)} AS peak_at, "
        "max(total) AS total "
        "FROM running JOIN needed ON running.place = needed.place "
        "AND running.bucket = needed.bucket AND reaches >= rest GROUP BY running.place",
    }


def _near(sizes: int, dialect: str) -> dict[str, str]:
    """Write the levels that lie in a wanted bucket for any size, with their buckets."""
    places = range(sizes)
    percents = (*PERCENTILES, PEAK)
    limits = ", ".join(
        f"max(CASE WHEN needed.place = {place} AND p = {one} THEN bucket * width{more} END) "
        f"AS {name}{place}_{one}"
        for place in places
        for one in percents
        for more, name in (("", "low"), (" + width - 1", "high"))
    )
    near = " OR ".join(
        f"b{place} BETWEEN low{place}_{one} AND high{place}_{one}"
        for place in places
        for one in percents
    )
    return {
        "limits": f"SELECT {limits} FROM needed JOIN places ON needed.place = places.place",
        "near": f"SELECT levels.* FROM levels CROSS JOIN limits WHERE {near}",
        **_bucketed("near_", "near", sizes, dialect),
    }
