"""How pictures look, on a light page and on a dark one."""

from typing import Any

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "wedge", "arrow")
DASHES = ([1, 0], [6, 3], [2, 2], [10, 3, 2, 3], [12, 4], [1, 3], [8, 2, 2, 2, 2, 2], [4, 8])
"""Lines that are told apart without colours; Vega-Lite has no range of dashes of its own."""

ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#B8528E", "#A36F00", "#2A8FC4", "#8C6D31", "#6A6A6A")
ON_DARK = ("#58A6FF", "#F0883E", "#3FB950", "#E891C4", "#E3C04F", "#7EE0F5", "#C9A26B", "#A0A7AE")
"""After Okabe and Ito's, which people with any colour vision tell apart; each reads on its page."""


def _theme(
    background: str, ink: str, faint: str, grid: str, palette: tuple[str, ...], heat: str
) -> dict[str, Any]:
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    lines = {"gridColor": grid, "domainColor": faint, "tickColor": faint}
    ranges = {"category": [*palette], "symbol": [*SHAPES], "heatmap": {"scheme": heat}}
    return {
        "background": background,
        "padding": 14,
        "font": "Helvetica, Arial, sans-serif",
        "title": {"color": ink, "fontSize": 15, "subtitleColor": faint, "subtitleFontSize": 12},
        "axis": {**text, **lines, "titleFontWeight": "normal"},
        "legend": {**text, "labelLimit": 600, "symbolOpacity": 1, "symbolStrokeWidth": 2},
        "text": {"color": ink, "fontSize": 12},
        "rule": {"color": ink},
        "view": {"stroke": None},
        "range": ranges,
    }


LIGHT = _theme("#FFFFFF", "#24292F", "#6E7781", "#E6E8EB", ON_LIGHT, "blues")
DARK = _theme("#0D1117", "#E6EDF3", "#8B949E", "#30363D", ON_DARK, "blues")
