"""A picture of what fits: sequences by GPUs and contexts."""

from collections.abc import Sequence

from kvcalc.answers.fit.fitted import Fit
from kvcalc.answers.fit.grid import RefusedFit
from kvcalc.charts.chart import Chart
from kvcalc.charts.heat import Cell, chart
from kvcalc.charts.scale import tokens
from kvcalc.units import at_version, plural


def grid_chart(rows: Sequence[Fit | RefusedFit]) -> Chart:
    """Draw how many sequences can be promised, by GPUs and contexts; a grid for each model."""
    several = len({row.model for row in rows}) > 1
    cells = [
        Cell(
            row.model,
            f"{row.gpus or ''} {row.gpu}".strip(),
            tokens(row.context) if row.context else "",
            row.promised_sequences if isinstance(row, Fit) else None,
            row.error if isinstance(row, RefusedFit) else "",
        )
        for row in rows
    ]
    first = rows[0]
    engine = at_version(first.engine, first.engine_version)
    what = plural(len({row.model for row in rows}), "model") if several else first.model
    title = f"Sequences of {what} on {engine} that fit"
    return chart(title, cells, "GPUs", "context", "sequences")
