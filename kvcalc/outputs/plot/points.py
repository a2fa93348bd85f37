"""A plot's points as rows, and a page of those at the ticks of its axis."""

from kvcalc.answers.plotted import Curve, Plot
from kvcalc.charts.lines import notes
from kvcalc.outputs.page import Page, bytes_cell
from kvcalc.records import Record


class Point(Record):
    """A point of a curve; `curve` says what distinguishes it."""

    curve: str
    model: str
    engine: str
    engine_version: str
    window: int | None
    kv_cache_dtype: str
    sequences: int
    context: int
    bytes: int


def points(plot: Plot) -> list[Point]:
    """All points of all curves."""
    return [
        Point(
            curve.label,
            curve.model,
            curve.engine,
            curve.engine_version,
            curve.window,
            curve.kv_cache_dtype,
            curve.sequences,
            context,
            size,
        )
        for curve in plot.curves
        for context, size in zip(curve.contexts, curve.bytes, strict=True)
    ]


def plot_page(plot: Plot) -> Page:
    """Lay out the points nearest below the ticks of the axis, and each curve's last."""
    of = plot.lines
    return Page(
        title=plot.title,
        columns=("curve", "context", "bytes"),
        rows=tuple(
            (curve.label, f"{curve.contexts[at]:,}", bytes_cell(curve.bytes[at]))
            for curve in plot.curves
            for at in _at(curve, of.x.ticks)
        ),
        text_columns=1,
        notes=tuple(f"{of.lines[place].label}: {note}" for place, note in notes(of)),
    )


def _at(curve: Curve, ticks: tuple[int, ...]) -> list[int]:
    within = [tick for tick in ticks if curve.contexts[0] <= tick]
    found = {max(n for n, at in enumerate(curve.contexts) if at <= tick) for tick in within}
    return sorted({*found, len(curve.contexts) - 1})
