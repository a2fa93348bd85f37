"""Bytes over time: lines of the most in each moment, their peaks, percentiles and the memory."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kvcalc.charts.chart import Chart
from kvcalc.charts.line_chart import HEIGHT, WIDTH
from kvcalc.charts.parts import apart, nominal, texts
from kvcalc.charts.scale import BYTES, Scale
from kvcalc.units import binary_size, plural

MOMENTS = WIDTH
"""Moments of a picture, one a pixel: of each the most that is held is drawn, so no peak is lost."""
FEW = 2
"""Lines of which percentiles are drawn, too: those of more would cover each other."""
UNITS = ((3_600_000_000, "hours"), (60_000_000, "minutes"), (1_000_000, "seconds"))
"""Microseconds of each unit of time; an axis has the largest of which it holds three."""


class History(NamedTuple):
    """A line: the most bytes from each time on, in microseconds; its peak and its percentiles."""

    label: str
    times: Sequence[int]
    bytes: Sequence[int]
    peak: int
    peak_at: int
    peak_sequences: int
    percentiles: Mapping[str, int]


def chart(title: str, histories: Sequence[History], memory: int | None) -> Chart:
    """Draw histories as Vega-Lite, from their first time to their last."""
    first = min(one.times[0] for one in histories)
    last = max(one.times[-1] for one in histories)
    unit, name = next((one for one in UNITS if last - first >= 3 * one[0]), UNITS[-1])
    peaks = [one.peak for one in histories]
    scale = Scale.over([0, *peaks, memory or 0], linear=True)

    def pixel(size: int) -> int:
        return HEIGHT - scale.place(size, HEIGHT + 1)

    x = {
        "field": "time",
        "type": "quantitative",
        "scale": {"domain": [first / unit, max(last, first + 1) / unit], "nice": False},
        "axis": {"title": f"{name} from the first start"},
    }
    y = scale.axis("bytes", "KV cache", BYTES)
    colour = nominal("history", [one.label for one in histories])
    lines = [
        {"history": one.label, "time": time / unit, "bytes": size}
        for one in histories
        for time, size in zip(one.times, one.bytes, strict=True)
    ]
    top = [
        {"history": one.label, "time": one.peak_at / unit, "bytes": one.peak} for one in histories
    ]
    few = len(histories) <= FEW
    percentiles = [
        (one.label, name, size)
        for one in histories
        for name, size in (one.percentiles.items() if few else ())
    ]
    rules = [{"history": label, "bytes": size} for label, _, size in percentiles]
    said = [(one.label, _peak(one), one.peak) for one in histories] + percentiles
    notes = [
        {"history": label, "pixel": pixel(size), "said": f"{name} {binary_size(size)}"}
        for label, name, size in said
    ]
    place = {"x": x, "y": y, "color": colour}
    step = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.2}
    ring = {"type": "point", "shape": "circle", "size": 110, "strokeWidth": 2}
    faint = {"type": "rule", "strokeDash": [2, 4]}
    layers: list[dict[str, Any]] = [
        {"data": {"values": lines}, "mark": step, "encoding": place},
        {"data": {"values": rules}, "mark": faint, "encoding": {"y": y, "color": colour}},
        {"data": {"values": top}, "mark": ring, "encoding": place},
        texts(apart(notes, HEIGHT), {"x": {"value": WIDTH}, "color": colour}, dx=10),
    ]
    if memory is not None:
        row = {"bytes": memory, "pixel": pixel(memory) - 9, "said": f"memory {binary_size(memory)}"}
        solid = {"type": "rule", "strokeDash": [6, 4], "strokeWidth": 1.5}
        layers += [
            {"data": {"values": [row]}, "mark": solid, "encoding": {"y": y}},
            texts([row], {"x": {"value": 6}}),
        ]
    return Chart(title, {"width": WIDTH, "height": HEIGHT, "layer": layers})


def _peak(one: History) -> str:
    return f"peak of {plural(one.peak_sequences, 'sequence')},"
