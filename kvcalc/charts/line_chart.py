"""Lines of bytes against context, as Vega-Lite."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from kvcalc.charts.chart import Chart
from kvcalc.charts.lines import Line, Lines, notes
from kvcalc.charts.parts import apart, nominal, texts
from kvcalc.charts.scale import BYTES, TOKENS
from kvcalc.charts.theme import DASHES
from kvcalc.charts.visible import visible
from kvcalc.errors import RequestError
from kvcalc.units import binary_size, format_bytes

WIDTH, HEIGHT = 680, 400
MOST_LINES = 24
"""More of them nobody tells apart."""
EXACT = 2**53
"""A chart computes in doubles."""


def chart(of: Lines) -> Chart:
    """Draw lines as Vega-Lite.

    Raises:
        RequestError: there are too many lines to tell apart, or more bytes than a double holds.
    """
    if (lines := len(of.lines)) > MOST_LINES:
        raise RequestError.about(
            "plot", f"found {lines} lines", found=lines, expected=f"at most {MOST_LINES}"
        )
    if max(max(line.bytes) for line in of.lines) >= EXACT:
        raise RequestError.about("plot", "found bytes past 2^53, which no chart holds exactly")
    x = of.x.axis("context", "context, tokens of one sequence", TOKENS)
    y = of.y.axis("bytes", of.measure, BYTES)
    layers = [*_bands(of, x, y), *_lines(of, x, y), *_budgets(of, x, y), *_notes(of)]
    return Chart(of.title, {"width": WIDTH, "height": HEIGHT, "layer": layers})


def _channels(of: Lines) -> dict[str, Any]:
    """Colour for the first of what varies, dashes for the rest; both where only one does.

    Symbols go with the colours, so that lines are told apart in print without any.
    """
    first = [line.labels[0] for line in of.lines]
    rest = [line.rest for line in of.lines]
    dashed = ("rest", rest) if len({*rest}) > 1 else ("first", first)
    dashes = [DASHES[n % len(DASHES)] for n in range(len({*dashed[1]}))]
    return {
        "color": nominal("first", first),
        "shape": nominal("first", first),
        "strokeDash": nominal(*dashed, dashes),
    }


def _named(line: Line) -> dict[str, str]:
    return {"first": line.labels[0], "rest": line.rest}


def _lines(of: Lines, x: Mapping[str, Any], y: Mapping[str, Any]) -> list[dict[str, Any]]:
    points = [
        {**_named(line), "context": line.contexts[at], "bytes": line.bytes[at]}
        for line in of.lines
        for at in _seen(of, line)
    ]
    marked = [
        {**_named(line), "context": context, "bytes": size, "said": format_bytes(size)}
        for line in of.lines
        for context, size in _at_ticks(line, of.x.ticks)
        if size <= of.y.high and context <= of.x.high
    ]
    look = _channels(of)
    line = {"x": x, "y": y, "color": look["color"], "strokeDash": look["strokeDash"]}
    tooltip = [
        *({"field": field, "title": " "} for field in ("first", "rest")),
        {"field": "context", "format": ",d"},
        {"field": "said", "title": "bytes"},
    ]
    symbol = {"x": x, "y": y, "color": look["color"], "shape": look["shape"], "tooltip": tooltip}
    mark = {"type": "line", "strokeWidth": 2, "clip": True}
    filled = {"type": "point", "filled": True, "size": 45, "opacity": 1}
    detail = {"detail": [{"field": "rest"}]}
    return [
        {"data": {"values": points}, "mark": mark, "encoding": {**line, **detail}},
        {"data": {"values": marked}, "mark": filled, "encoding": symbol},
    ]


def _seen(of: Lines, line: Line) -> list[int]:
    """The places of the points without which a line would look otherwise."""
    x, y = of.x, of.y
    points = zip(line.contexts, line.bytes, strict=True)
    return visible([(WIDTH * x.share(at), HEIGHT * y.share(size)) for at, size in points])


def _at_ticks(line: Line, ticks: Sequence[int]) -> list[tuple[int, int]]:
    """The points of a line nearest below each tick of the axis, and its last."""
    found = {line.contexts[-1]: line.bytes[-1]}
    for (context, size), (after, _) in pairwise(zip(line.contexts, line.bytes, strict=True)):
        if any(context <= tick < after for tick in ticks):
            found[context] = size
    return sorted(found.items())


def _bands(of: Lines, x: Mapping[str, Any], y: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Shade what a smaller window saves, and say the greatest share and the last."""
    if not of.saved:
        return []
    shaded = []
    for large, small in of.saved:
        upper, points = of.lines[large], of.pairs(large, small)
        seen = {*_seen(of, upper), *_seen(of, of.lines[small])}
        for context, size, low in (points[at] for at in sorted(seen)):
            row = {"first": upper.labels[0], "band": large}
            shaded.append({**row, "context": context, "bytes": size, "low": low})
    colour = _channels(of)["color"]
    area = {"x": x, "y": y, "y2": {"field": "low"}, "color": colour, "detail": {"field": "band"}}
    mark = {"type": "area", "opacity": 0.18, "clip": True}
    return [{"data": {"values": shaded}, "mark": mark, "encoding": area}]


def _notes(of: Lines) -> list[dict[str, Any]]:
    """What is said of lines at their ends; of several, of which, as no colour does in print."""
    several = len({line.labels[0] for line in of.lines}) > 1
    rows = [
        {**_named(line), "pixel": _pixel(of, line.bytes[-1])}
        | {"said": f"{line.labels[0]}: {text}" if several else text}
        for place, text in notes(of)
        for line in [of.lines[place]]
    ]
    at = {"x": {"value": WIDTH}, "color": _channels(of)["color"]}
    return [texts(apart(rows, HEIGHT), at, dx=10)] if rows else []


def _budgets(of: Lines, x: Mapping[str, Any], y: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Draw each budget once, and where lines meet theirs."""
    budgets = of.budgets()
    if not budgets:
        return []
    rule = {"type": "rule", "strokeDash": [4, 4], "strokeWidth": 1.5}
    rows = [
        {"bytes": size, "said": f"{binary_size(size)}, {whose}", "pixel": _pixel(of, size) - 9}
        for size, whose in budgets.items()
    ]
    met = [
        {**_named(line), "context": at[0], "bytes": at[1]}
        for line in of.lines
        if (at := line.crossing) is not None
    ]
    place: dict[str, Any] = {"at": {"x": {"value": 6}}}  # top left, where no growing curve is
    if of.linear:
        place = {"at": {"x": {"value": WIDTH - 6}}, "align": "right"}
    own = {"x": x, "y": y, "color": _channels(of)["color"]}
    down = {**own, "y2": {"value": HEIGHT}}
    ring = {"type": "point", "shape": "circle", "size": 130, "strokeWidth": 2}
    return [
        {"data": {"values": rows}, "mark": rule, "encoding": {"y": y}},
        texts(apart(rows, HEIGHT), **place),
        {"data": {"values": met}, "mark": {**rule, "strokeWidth": 1}, "encoding": down},
        {
            "data": {"values": met},
            "mark": ring,
            "encoding": {one: down[one] for one in ("x", "y", "color")},
        },
    ]


def _pixel(of: Lines, size: int) -> int:
    """How far from the top bytes are drawn."""
    return HEIGHT - of.y.place(size, HEIGHT + 1)
