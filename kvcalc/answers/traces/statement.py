"""The answers about a trace as one statement of SQL, whatever the formats and engines before it.

Percentiles are found in a histogram of levels and exactly within one of its buckets, never by
sorting all levels; levels are passed over twice, however many the weights.
"""

from collections.abc import Mapping, Sequence

from kvcalc.answers.traces.levels import WHOLE, Trim, joined, levels
from kvcalc.answers.traces.weights import Weight
from kvcalc.outputs.formulas.sql import DIALECTS

BUCKETS = 4_096
PERCENTILES = (50, 95, 99)
PEAK = 100
"""The percentile that is the peak: where all of the time is reached."""

WIDE = {"duckdb": "HUGEINT", "spark": "DECIMAL(38, 0)", "clickhouse": "Int256"}
"""Each dialect's integer for bytes times time; NUMERIC(38, 0) elsewhere."""


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
    parts = {
        **levels(weights, dialect, shared=shared, trim=trim),
        **_histogram(len(weights), dialect),
        **_percentiles(dialect),
        "alive": "SELECT place, sum(CASE WHEN t0 <= peak_at AND t1 > peak_at THEN 1 ELSE 0 END) "
        "AS sequences FROM lives CROSS JOIN reached GROUP BY place",
    }
    own = DIALECTS[dialect]
    mean = own.quotient.format(a="total", b="(last - first)", integer=own.integer)
    percentiles = ", ".join(f"p{percent}" for percent in PERCENTILES)
    return (
        f"{joined(parts, dialect)}\n"
        f"SELECT places.place AS weight, peak, peak_at, sequences, {percentiles}, "
        f"CAST({mean} AS {own.integer}) AS mean FROM places CROSS JOIN span "
        "LEFT JOIN reached ON places.place = reached.place "
        "LEFT JOIN alive ON places.place = alive.place\n"
        "ORDER BY weight"
    )


def timeline(weights: Mapping[str, Weight], *, shared: bool = False, trim: Trim = WHOLE) -> str:
    """Write the query of the level at each instant: t in microseconds, and a column a weight."""
    names = ", ".join(f'max(b{place}) AS "{name}"' for place, name in enumerate(weights))
    parts = levels(list(weights.values()), "duckdb", shared=shared, trim=trim, frame="RANGE")
    return f"{joined(parts, 'duckdb')}\nSELECT t, {names} FROM levels GROUP BY t ORDER BY t"


def _histogram(weights: int, dialect: str) -> dict[str, str]:
    """Write how long each weight's level is in each of equal buckets.

    No level is above what its slice begins with and all that comes in it.
    """
    own = DIALECTS[dialect]
    wide = WIDE.get(dialect, "NUMERIC(38, 0)")
    bucket = own.quotient.format(a="level", b="width", integer=own.integer)

    def width(place: int) -> str:
        most = f"CAST(max(before{place} + comes{place}) AS {own.integer})"
        return own.quotient.format(a=most, b=BUCKETS, integer=own.integer)

    level = " ".join(f"WHEN place = {place} THEN b{place}" for place in range(weights))
    return {
        "places": " UNION ALL ".join(
            f"SELECT {place} AS place, {width(place)} + 1 AS width FROM offsets"
            for place in range(weights)
        ),
        "weighed": f"SELECT place, width, t, held, CASE {level} END AS level "
        "FROM levels CROSS JOIN places",
        "buckets": f"SELECT place, {bucket} AS bucket, t, held, level FROM weighed",
        "histogram": "SELECT place, bucket, sum(held) AS lasting, "
        f"sum(CAST(level AS {wide}) * held) AS bytes_time FROM buckets GROUP BY place, bucket",
    }


def _percentiles(dialect: str) -> dict[str, str]:
    """Write the least levels that hold for shares of the time, sorted within their buckets alone.

    What an engine of queries computes again at each mention is mentioned once or twice.
    """
    own = DIALECTS[dialect]
    percents = (*PERCENTILES, PEAK)

    def need(percent: int) -> str:
        return own.quotient.format(
            a=f"((last - first) * {percent} + 99)", b=100, integer=own.integer
        )

    def of(least: str, column: str, percent: int) -> str:
        return f"{least}(CASE WHEN p = {percent} THEN {column} END)"

    upto = "sum(lasting) OVER (PARTITION BY place ORDER BY bucket)"
    wanted = ", ".join(f"{of('max', 'bucket', one)} AS bucket{one}" for one in percents)
    picked = ", ".join(f"{of('min', 'level', one)} AS p{one}" for one in PERCENTILES)
    return {
        "needs": " UNION ALL ".join(
            f"SELECT {one} AS p, {need(one)} AS need FROM span" for one in percents
        ),
        "passed": f"SELECT place, bucket, {upto} - lasting AS before, {upto} AS upto, "
        "sum(bytes_time) OVER (PARTITION BY place) AS total FROM histogram",
        "needed": "SELECT place, p, bucket, need - before AS need, total "
        "FROM needs JOIN passed ON before < need AND need <= upto",
        "wanted": f"SELECT place, {wanted} FROM needed GROUP BY place",
        "candidates": "SELECT buckets.place AS place, bucket, level, sum(held) AS lasting, "
        "min(t) AS since FROM buckets JOIN wanted ON buckets.place = wanted.place "
        f"WHERE bucket IN ({', '.join(f'bucket{one}' for one in percents)}) "
        "GROUP BY buckets.place, bucket, level",
        "running": "SELECT place, bucket, level, since, sum(lasting) "
        "OVER (PARTITION BY place, bucket ORDER BY level) AS reaches FROM candidates",
        "reached": f"SELECT running.place AS place, {picked}, "
        f"{of('min', 'level', PEAK)} AS peak, {of('min', 'since', PEAK)} AS peak_at, "
        "max(total) AS total "
        "FROM running JOIN needed ON running.place = needed.place "
        "AND running.bucket = needed.bucket AND reaches >= need GROUP BY running.place",
    }
