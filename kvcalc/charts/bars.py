"""Bars of bytes, one below another: what each is made of, and what is said of it."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from kvcalc.charts.chart import Chart
from kvcalc.charts.parts import nominal
from kvcalc.charts.scale import BYTES, Scale
from kvcalc.units import format_bytes

WIDTH = 480
THICK = 22
SHORT, LONG = 30, 62
"""Pixels from one bar to the next, with texts of a line beside them, and of several."""
RAISED = -7
"""Pixels that a text moves up for each line that it has beside its first."""
WRAPPED = 64
"""Characters of a line beside a bar."""
MOST_LINES = 3


class Bar(NamedTuple):
    """A bar: its name, its parts in their order, and what is said beside it.

    `band` are the least and the most that an estimate may be.
    """

    label: str
    parts: tuple[tuple[str, int], ...]
    said: str = ""
    band: tuple[int, int] | None = None


def chart(title: str, bars: Sequence[Bar], measure: str) -> Chart:
    """Draw bars as Vega-Lite; parts of one name have one colour."""
    ends = [sum(size for _, size in bar.parts) for bar in bars]
    ends += [bar.band[1] for bar in bars if bar.band is not None]
    x = Scale.over([0, *ends], linear=True).axis("end", measure, BYTES)
    x["axis"]["grid"] = False
    places = [bar.label for bar in bars]
    y = {
        "field": "bar",
        "type": "nominal",
        "sort": places,
        "axis": {"title": None, "labelLimit": 260, "ticks": False, "labelPadding": 6},
    }
    named = list(dict.fromkeys(name for bar in bars for name, _ in bar.parts))
    texts = [_text(bar, end) for bar, end in zip(bars, ends, strict=False)]
    heights = sorted({len(text["said"]) for text in texts})
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": _stacked(bars)},
            "mark": {"type": "bar", "height": THICK},
            "encoding": {
                "x": x,
                "x2": {"field": "start"},
                "y": y,
                "color": nominal("part", named),
                "tooltip": [{"field": "part", "title": " "}, {"field": "said", "title": "bytes"}],
            },
        },
        *(
            {
                "data": {"values": [text for text in texts if len(text["said"]) == height]},
                "mark": {"type": "text", "align": "left", "baseline": "middle"}
                | {"dx": 10, "dy": RAISED * (height - 1)},
                "encoding": {"x": x, "y": y, "text": {"field": "said"}},
            }
            for height in heights
        ),
    ]
    bands = [
        {"bar": bar.label, "start": bar.band[0], "end": bar.band[1]}
        for bar in bars
        if bar.band is not None
    ]
    if bands:
        rule = {"type": "rule", "strokeWidth": 2}
        at = {"x": x, "x2": {"field": "start"}, "y": y}
        layers.insert(1, {"data": {"values": bands}, "mark": rule, "encoding": at})
    return Chart(
        title,
        {
            "width": WIDTH,
            "height": {"step": LONG if heights[-1:] > [1] else SHORT},
            "layer": layers,
        },
    )


def _stacked(bars: Sequence[Bar]) -> list[dict[str, Any]]:
    """Each part with where it starts and ends."""
    rows = []
    for bar in bars:
        start = 0
        for name, size in bar.parts:
            row = {"bar": bar.label, "part": name, "start": start, "end": start + size}
            rows.append({**row, "said": format_bytes(size)})
            start += size
    return rows


def _text(bar: Bar, end: int) -> dict[str, Any]:
    """What is said beside a bar and its band, on as few lines as there is room for."""
    lines = [line for text in bar.said.split("\n") for line in wrap(text, WRAPPED)]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1]} ..."]
    last = max(end, bar.band[1]) if bar.band else end
    return {"bar": bar.label, "end": last, "said": lines}
