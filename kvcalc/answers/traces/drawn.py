"""A picture of a trace: the most that its requests hold in each moment."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kvcalc.answers.traces.row import TraceRow
from kvcalc.charts.over_time import MOMENTS, History
from kvcalc.units import at_version

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation


def histories(levels: "DuckDBPyRelation", rows: Mapping[str, TraceRow]) -> list[History]:
    """Gather the levels of rows, by their columns, into moments.

    What an engine allocates once is no level, and is added.
    """
    names = ['"' + column.replace('"', '""') + '"' for column in rows]
    most = ", ".join(f"max({name})" for name in names)
    lasting = ", ".join(f"arg_max({name}, t)" for name in names)
    first, last, *peaks = _asked(levels, f"SELECT min(t), max(t), {most} FROM levels")[0]
    width = max(1, -(-(last - first + 1) // MOMENTS))
    moments = _asked(
        levels,
        f"SELECT {first} + (t - {first}) // {width} * {width} AS moment, {most}, {lasting} "
        "FROM levels GROUP BY moment ORDER BY moment",
    )
    labels = _labels(list(rows.values()))
    found = []
    for place, (row, label, peak) in enumerate(zip(rows.values(), labels, peaks, strict=True)):
        own = [(one[0], one[1 + place], one[1 + len(rows) + place]) for one in moments]
        times, sizes = _steps(own, width)
        once = row.peak_bytes - peak
        found.append(
            History(
                label,
                times,
                [size + once for size in sizes],
                row.peak_bytes,
                row.peak_at,
                row.peak_sequences,
                {"p99": row.p99_bytes, "p95": row.p95_bytes, "p50": row.p50_bytes},
            )
        )
    return found


def _asked(levels: "DuckDBPyRelation", query: str) -> list[Any]:
    asked = levels.query("levels", query)
    return [] if asked is None else asked.fetchall()


def _steps(moments: Sequence[tuple[int, int, int]], width: int) -> tuple[list[int], list[int]]:
    """The most of each moment, from its time on; a level lasts until the next.

    So the most of a moment may be what the one before left, and what it leaves itself is a step
    where nothing changes in the moment after.
    """
    times: list[int] = []
    sizes: list[int] = []
    left = 0
    for moment, highest, lasting in moments:
        if times and times[-1] + width < moment:
            times.append(times[-1] + width)
            sizes.append(left)
        times.append(moment)
        sizes.append(max(left, highest))
        left = lasting
    return times, sizes


def _labels(rows: Sequence[TraceRow]) -> list[str]:
    """What distinguishes each row: its engine, and its window and rule where those vary."""
    windows = len({row.window for row in rows}) > 1
    rules = len({(row.engine, row.rule) for row in rows}) > len({row.engine for row in rows})
    return [
        at_version(row.engine, row.engine_version)
        + (f", window {row.window:,}" if windows and row.window is not None else "")
        + (f", {row.rule}" if rules else "")
        for row in rows
    ]
