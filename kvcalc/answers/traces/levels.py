"""The sweep over a trace: what all requests hold after each change, and for how long, in SQL.

It has two stages, so that a cluster can divide the work: changes are cut into slices of time,
summed within each slice, and offset by the sums of the slices before.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kvcalc.answers.traces.request_bytes import RequestBytes
from kvcalc.formula.languages.sql import DIALECTS, target

REQUESTS = 64
"""Approximate requests per slice: DuckDB takes more time per row for a larger window."""
SLICES = 2**22
"""The most slices; one task adds up their sums."""

HINTS = {
    "duckdb": {
        "sums": "MATERIALIZED ",
        **dict.fromkeys(
            ("typed", "lives", "changes", "sliced", "levels", "placed", "buckets", "near"),
            "NOT MATERIALIZED ",
        ),
    }
}
"""Parts to keep in memory, and parts that are cheaper to compute again; DuckDB keeps all else."""


class Trim(NamedTuple):
    """The part of a trace that is looked at, in microseconds from its first start."""

    since: int | None = None
    until: int | None = None


WHOLE = Trim()


def joined(parts: Mapping[str, str], dialect: str, *, few: bool = False) -> str:
    """Write parts as one WITH clause, each after those that it uses.

    Of `few` requests none is computed again, which takes longer to plan than to keep it.
    """
    hints = {} if few else HINTS.get(dialect, {})
    return "WITH " + ",\n".join(
        f"{name} AS {hints.get(name, '')}({query})" for name, query in parts.items()
    )


def levels(
    sizes: Sequence[RequestBytes],
    dialect: str,
    *,
    shared: bool,
    trim: Trim,
    frame: str = "ROWS",
) -> dict[str, str]:
    """Write span, lives and levels (t, held and b0, b1, ...), and the parts that they use.

    At one instant, requests that end stand before those that start, so that a level between them
    never exceeds both the level before and after; RANGE gives all of them the level after. Tokens
    are sorted first and bytes computed afterwards: tokens are two columns for any number of
    sizes.

    Raises:
        RequestError: there is no such dialect.
    """
    target(dialect)
    own = DIALECTS[dialect]
    changes = [f"step * ({one.sql})" for one in sizes]
    if shared:
        changes = [
            f"COALESCE(blocks * {one.shared}, {change})"
            for one, change in zip(sizes, changes, strict=True)
        ]

    def each(text: str) -> str:
        return ", ".join(text.format(i=i, change=change) for i, change in enumerate(changes))

    def next_of(time: str) -> str:
        # For the last row, ClickHouse's LEAD is 0 unless the type has a null.
        return f"LEAD(CAST({time} AS {own.integer}))"

    columns = ", ".join(["t", "step", *_of(sizes), *(["blocks"] if shared else [])])
    slices = own.divided("(t - first)", "slice_width")
    inside = "PARTITION BY slice ORDER BY t" + (", step" if frame == "ROWS" else "")
    before = f"CAST(sum(net{{i}}) OVER (ORDER BY slice) - net{{i}} AS {own.integer})"
    return {
        **_lives(sizes, dialect, trim),
        "changes": _changes(sizes, dialect, shared),
        "sliced": f"SELECT {slices} AS slice, {columns} FROM changes CROSS JOIN span",
        # A join takes into memory the side that DuckDB thinks smaller; this condition tells it
        # that slices are fewer than changes.
        "slices": "SELECT slice, min(t) AS begins, "
        + each("sum(d{i}) AS net{i}")
        + f" FROM (SELECT slice, t, {each('{change} AS d{i}')} FROM sliced) AS d "
        "GROUP BY slice HAVING count(*) > 0",
        "offsets": f"SELECT slice, {next_of('begins')} OVER (ORDER BY slice) AS ends, "
        + each(f"{before} AS before{{i}}")
        + " FROM slices",
        "sums": f"SELECT slice, t, {next_of('t')} OVER ({inside}) AS following, "
        + each(
            f"CAST(sum({{change}}) OVER ({inside} {frame} UNBOUNDED PRECEDING) "
            f"AS {own.integer}) AS b{{i}}"
        )
        + " FROM sliced",
        "levels": "SELECT t, COALESCE(following, ends, last) - t AS held, "
        + each("before{i} + b{i} AS b{i}")
        + " FROM sums JOIN offsets ON sums.slice = offsets.slice CROSS JOIN span",
    }


def _of(sizes: Sequence[RequestBytes]) -> list[str]:
    return sorted({one.of for one in sizes})


def _lives(sizes: Sequence[RequestBytes], dialect: str, trim: Trim) -> dict[str, str]:
    """Write span (the time considered, the width of its slices) and the requests within it.

    Whole numbers of any type count as the integers that they are.
    """
    own = DIALECTS[dialect]

    def from_first(text: str) -> str:
        return text if trim.since is None else f"{own.greatest}({text}, {trim.since})"

    def to_last(text: str) -> str:
        return text if trim.until is None else f"{own.least}({text}, {trim.until})"

    first, last = from_first("min(t0)"), to_last("max(t1)")
    start, end = from_first("t0"), to_last("t1")
    slices = f"{own.least}({SLICES}, {own.divided('count(*)', REQUESTS)} + 1)"
    width = own.divided(f"({last} - {first})", slices)
    whole = ", ".join(f"CAST({one} AS {own.integer}) AS {one}" for one in ["t0", "t1", *_of(sizes)])
    return {
        # Once and first: quotients of another type than integers are fractions.
        "typed": f"SELECT {whole} FROM trace",
        "span": f"SELECT {first} AS first, {last} AS last, {width} + 1 AS slice_width "
        "FROM typed WHERE t1 > t0",
        "lives": f"SELECT {start} AS t0, {end} AS t1, {', '.join(_of(sizes))} "
        f"FROM typed WHERE {end} > {start}",
    }


def _changes(sizes: Sequence[RequestBytes], dialect: str, shared: bool) -> str:
    """Write the changes at t: a request starts (step 1) or ends (-1); the span begins at first (0).

    Shared blocks, which are held only once, start and end in a column of their own.
    """
    own = DIALECTS[dialect]
    of = _of(sizes)
    tokens = ", ".join(of)
    no_blocks = ", NULL AS blocks" if shared else ""
    parts = [
        f"SELECT t0 AS t, 1 AS step, {tokens}{no_blocks} FROM lives",
        f"SELECT t1, -1, {tokens}{no_blocks} FROM lives",
        f"SELECT first, 0, {', '.join('0' for _ in of)}{no_blocks} FROM span "
        "WHERE first < (SELECT max(t1) FROM lives)",
    ]
    if shared:
        within = f"{own.greatest}(first, {own.least}(last, t))"
        parts.append(
            f"SELECT {within}, CASE WHEN tokens > 0 THEN 1 ELSE -1 END, "
            f"{', '.join('NULL' for _ in of)}, tokens FROM shared_blocks CROSS JOIN span"
        )
    return " UNION ALL ".join(parts)
