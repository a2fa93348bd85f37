"""The sweep: what all requests hold after each change, and for how long, as parts of a statement.

Two levels, so that a cluster can divide it: changes are cut into slices of time, summed within
each, and offset by what the slices before come to.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kvcalc.answers.traces.request_bytes import RequestBytes
from kvcalc.formula.languages.sql import DIALECTS, target

REQUESTS = 64
"""Requests in a slice, about: DuckDB sums a window in time that grows with its rows."""
SLICES = 2**22
"""The most slices, whose sums one task adds up."""

HINTS = {
    "duckdb": {
        "sums": "MATERIALIZED ",
        **dict.fromkeys(
            ("lives", "changes", "sliced", "levels", "weighed", "buckets", "near"),
            "NOT MATERIALIZED ",
        ),
    }
}
"""Parts to keep, and those cheaper worked out again: DuckDB keeps all unless told."""


class Trim(NamedTuple):
    """The part of a trace that is looked at, in microseconds from its first start."""

    since: int | None = None
    until: int | None = None


WHOLE = Trim()


def joined(parts: Mapping[str, str], dialect: str) -> str:
    """Write parts as one WITH, each behind those it is made of."""
    hints = HINTS.get(dialect, {})
    return "WITH " + ",\n".join(
        f"{name} AS {hints.get(name, '')}({query})" for name, query in parts.items()
    )


def levels(
    weights: Sequence[RequestBytes],
    dialect: str,
    *,
    shared: bool,
    trim: Trim,
    frame: str = "ROWS",
) -> dict[str, str]:
    """Write span, lives and levels, which has t, held and b0, b1, ..., and what they are made of.

    Of one instant those that go stand before those that come, so that between them a level is
    never above both its own and the last's; RANGE gives all of them the instant's own. Tokens are
    sorted and bytes worked out behind that: tokens are two columns however many the weights.

    Raises:
        KvcalcError: no such dialect.
    """
    target(dialect)
    own = DIALECTS[dialect]
    changes = [f"step * ({one.sql})" for one in weights]
    if shared:
        changes = [
            f"COALESCE(blocks * {one.shared}, {change})"
            for one, change in zip(weights, changes, strict=True)
        ]

    def each(text: str) -> str:
        return ", ".join(text.format(i=i, change=change) for i, change in enumerate(changes))

    def next_of(time: str) -> str:
        # ClickHouse's next of the last is 0, unless the type has a null.
        return f"LEAD(CAST({time} AS {own.integer}))"

    columns = ", ".join(["t", "step", *_of(weights), *(["blocks"] if shared else [])])
    slices = own.divided("(t - first)", "slice_width")
    inside = "PARTITION BY slice ORDER BY t" + (", step" if frame == "ROWS" else "")
    before = f"CAST(sum(net{{i}}) OVER (ORDER BY slice) - net{{i}} AS {own.integer})"
    return {
        **_lives(weights, dialect, trim),
        "changes": _changes(weights, dialect, shared),
        "sliced": f"SELECT {slices} AS slice, {columns} FROM changes CROSS JOIN span",
        # DuckDB takes what it thinks smaller into memory when it joins, and must be told by a
        # condition that slices are fewer than changes.
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


def _of(weights: Sequence[RequestBytes]) -> list[str]:
    return sorted({one.of for one in weights})


def _lives(weights: Sequence[RequestBytes], dialect: str, trim: Trim) -> dict[str, str]:
    """Write span, the time looked at and the width of its slices, and the requests within it."""
    own = DIALECTS[dialect]

    def from_first(text: str) -> str:
        return text if trim.since is None else f"{own.greatest}({text}, {trim.since})"

    def to_last(text: str) -> str:
        return text if trim.until is None else f"{own.least}({text}, {trim.until})"

    first, last = from_first("min(t0)"), to_last("max(t1)")
    start, end = from_first("t0"), to_last("t1")
    slices = f"{own.least}({SLICES}, {own.divided('count(*)', REQUESTS)} + 1)"
    width = own.divided(f"({last} - {first})", slices)
    return {
        "span": f"SELECT {first} AS first, {last} AS last, {width} + 1 AS slice_width "
        "FROM trace WHERE t1 > t0",
        "lives": f"SELECT {start} AS t0, {end} AS t1, {', '.join(_of(weights))} "
        f"FROM trace WHERE {end} > {start}",
    }


def _changes(weights: Sequence[RequestBytes], dialect: str, shared: bool) -> str:
    """Write what happens at t: a request comes (step 1) or goes (-1), and all begins at first (0).

    Blocks that are held once rather than again come and go in tokens of their own.
    """
    own = DIALECTS[dialect]
    of = _of(weights)
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
