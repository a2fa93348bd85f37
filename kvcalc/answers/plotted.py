"""What is drawn of a plot: its curves, each of exact points, and their picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvcalc.charts.chart import Chart
from kvcalc.charts.line_chart import chart
from kvcalc.charts.lines import Line, Lines
from kvcalc.records import Record


class Curve(Record):
    """A model on an engine: `bytes` at each of `contexts`, of `sequences` at once, all exact.

    `labels` say what distinguishes it from the others. With GPUs, `copies` of the model there share
    the sequences, bytes are those on the fullest GPU, `budget` is what its cache can use of a GPU
    as the engine's start promises it, and `ends` the longest context at which they fit, up to the
    model's maximum, 0 where none does; without GPUs both are None.
    """

    labels: tuple[str, ...]
    model: str
    engine: str
    engine_version: str
    window: int | None
    kv_cache_dtype: str
    sequences: int
    settings: Mapping[str, Any]
    copies: int
    budget: int | None
    ends: int | None
    contexts: tuple[int, ...]
    bytes: tuple[int, ...]

    @property
    def label(self) -> str:
        """What distinguishes it from the others, in one text."""
        return ", ".join(self.labels)


class Plot(Record):
    """A picture's data: its curves, and of which GPUs the budgets are.

    `measure` says what the bytes are of. `saved` pairs the curve of a model's largest window with
    that of its smallest, by their places. A notebook draws it; `save` writes the picture.
    """

    title: str
    measure: str
    gpu: str | None
    gpus: int | None
    linear: bool
    curves: tuple[Curve, ...]
    saved: tuple[tuple[int, int], ...]

    @property
    def lines(self) -> Lines:
        """What is drawn."""
        drawn = [
            Line(one.labels, one.contexts, one.bytes, one.sequences, one.budget, one.ends)
            for one in self.curves
        ]
        each = "each of " if self.gpus != 1 else ""
        budget = "" if self.gpu is None else f"for the cache of {each}{self.gpus} {self.gpu}"
        return Lines(self.title, drawn, self.saved, budget, self.linear, self.measure)

    def plot(self) -> Chart:
        """Draw it as Vega-Lite.

        Raises:
            RequestError: the bytes are past 2^53, which no chart holds exactly.
        """
        return chart(self.lines)

    def save(self, path: str | Path, *, dark: bool = False) -> None:
        """Write the picture to a file: .vl.json, .svg or .png by its ending.

        Raises:
            KvcalcError: as `Chart.save`.
        """
        self.plot().save(path, dark=dark)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return self.plot()._repr_mimebundle_()
