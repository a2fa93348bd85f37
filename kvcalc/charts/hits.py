"""What a prefix cache hits, against its size: a curve for each window, and its knee."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from kvcalc.charts.chart import Chart
from kvcalc.charts.line_chart import HEIGHT, WIDTH
from kvcalc.charts.parts import BOLD, nominal
from kvcalc.charts.scale import BYTES, Scale
from kvcalc.units import binary_size, percent

BEST = "the best policy of eviction"


class Hit(NamedTuple):
    """A size of a cache, in bytes or blocks: what it hits of the prompts, and what it could."""

    curve: str
    size: int
    hits: int
    best: int | None
    prompts: int
    knee: bool


def chart(title: str, found: Sequence[Hit], measure: str, *, in_bytes: bool) -> Chart:
    """Draw hits as Vega-Lite; what the best policy could hit is dashed."""
    label = BYTES if in_bytes else "format(datum.value, ',d')"
    x = Scale.over([0, *(one.size for one in found)], linear=True).axis("size", measure, label)
    top = max(max(one.hits, one.best or 0) / one.prompts for one in found) or 1
    y = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, top], "nice": True},
        "axis": {"title": "hits, of the prompts' tokens", "format": ".0%"},
    }
    colour = nominal("curve", [one.curve for one in found])
    rows = [
        {"curve": one.curve, "size": one.size, "share": one.hits / one.prompts}
        | {"said": f"{one.hits:,} tokens, {percent(one.hits, one.prompts)}"}
        for one in found
    ]
    best = [
        {"curve": one.curve, "size": one.size, "share": one.best / one.prompts}
        for one in found
        if one.best is not None
    ]
    knees = [
        {"curve": one.curve, "size": one.size, "share": one.hits / one.prompts}
        | {"said": f"knee: {percent(one.hits, one.prompts)} at {_size(one.size, in_bytes)}"}
        for one in found
        if one.knee
    ]
    place = {"x": x, "y": y, "color": colour}
    line = {"type": "line", "strokeWidth": 2}
    tooltip = [{"field": "size", "format": ",d"}, {"field": "said", "title": "hits"}]
    layers: list[dict[str, Any]] = [
        {"data": {"values": best}, "mark": {**line, "strokeDash": [6, 3]}, "encoding": place},
        {
            "data": {"values": rows},
            "mark": {**line, "point": True},
            "encoding": {**place, "tooltip": tooltip},
        },
        {
            "data": {"values": knees},
            "mark": {"type": "point", "shape": "circle", "size": 160, "strokeWidth": 2},
            "encoding": place,
        },
        _texts(knees, place, dx=8, dy=18, align="left"),
    ]
    if best:
        layers.append(_texts([{**best[-1], "said": BEST}], place, dx=0, dy=-10, align="right"))
    return Chart(title, {"width": WIDTH, "height": HEIGHT, "layer": layers})


def _texts(rows: Sequence[dict[str, Any]], place: dict[str, Any], **mark: Any) -> dict[str, Any]:
    """Write texts beside points."""
    text = {"type": "text", "baseline": "middle", **BOLD, **mark}
    encoding = {**place, "text": {"field": "said"}}
    return {"data": {"values": [*rows]}, "mark": text, "encoding": encoding}


def _size(size: int, in_bytes: bool) -> str:
    return binary_size(size) if in_bytes else f"{size:,} blocks"
