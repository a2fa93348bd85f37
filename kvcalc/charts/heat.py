"""A grid of counts: the darker a place, the more; what has none is crossed out."""

from collections.abc import Sequence
from math import isqrt
from typing import Any, NamedTuple

from kvcalc.charts.chart import Chart

CELL = (84, 34)


class Cell(NamedTuple):
    """A place: its grid, column and row, and how many are there; None where that is refused."""

    grid: str
    column: str
    row: str
    amount: int | None
    told: str = ""


def chart(title: str, cells: Sequence[Cell], columns: str, rows: str, count: str) -> Chart:
    """Draw grids as Vega-Lite, one below another, with the counts in their places."""
    values: list[dict[str, Any]] = [
        {"grid": cell.grid, "column": cell.column, "row": cell.row, "told": cell.told}
        | {"count": cell.amount, "said": "✕" if cell.amount is None else f"{cell.amount:,}"}
        for cell in cells
    ]
    most = max(1, *(cell.amount or 0 for cell in cells))
    place = {
        "x": _place("column", columns, [cell.column for cell in cells]),
        "y": _place("row", rows, [cell.row for cell in cells]),
    }
    colour = {
        "condition": {"test": "!datum.count", "value": "#8B949E33"},
        "field": "count",
        "type": "quantitative",
        "scale": {"type": "symlog", "domain": [0, most], "scheme": "blues"},
        "legend": None,
    }
    # On the dark half of the colours, which go by the logarithm, a text is white.
    white = {"test": f"datum.count > {isqrt(most + 1)}", "value": "#FFFFFF"}
    dark = {"test": "datum.count > 0", "value": "#24292F"}
    tooltip = [{"field": "count", "title": count, "format": ",d"}, {"field": "told", "title": " "}]
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rect", "cornerRadius": 2},
            "encoding": {"color": colour, "tooltip": tooltip},
        },
        {
            "mark": {"type": "text", "fontSize": 13},
            "encoding": {
                "text": {"field": "said"},
                "color": {"condition": [white, dark], "value": "#8B949E"},
            },
        },
    ]
    width, height = CELL
    size = {"width": {"step": width}, "height": {"step": height}}
    grids = [*dict.fromkeys(cell.grid for cell in cells)]
    drawn = [
        {"data": {"values": [one for one in values if one["grid"] == grid]}}
        | {"encoding": place, "layer": layers, **size}
        for grid in grids
    ]
    if len(drawn) == 1:
        return Chart(title, drawn[0])
    named = [{"title": _title(grid), **one} for grid, one in zip(grids, drawn, strict=True)]
    return Chart(title, {"vconcat": named})


def _title(grid: str) -> dict[str, Any]:
    return {"text": grid, "anchor": "start", "fontSize": 13}


def _place(field: str, title: str, words: Sequence[str]) -> dict[str, Any]:
    axis = {"title": title, "labelAngle": 0, "grid": False, "domain": False, "ticks": False}
    return {"field": field, "type": "nominal", "sort": [*dict.fromkeys(words)], "axis": axis}
