"""What pictures share: channels of words, and texts that do not cover each other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LINE = 16
"""Pixels from one text to the next."""
BOLD = {"fontWeight": "bold"}


def nominal(
    field: str, words: Iterable[str], values: Sequence[Any] | None = None
) -> dict[str, Any]:
    """A channel of words, in their order; a single one needs no legend."""
    ranged = {} if values is None else {"range": [*values]}
    domain = [*dict.fromkeys(words)]
    legend = {"orient": "top", "direction": "horizontal", "columns": 4, "title": None}
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": domain, **ranged},
        "legend": legend if len(domain) > 1 else None,
    }


def texts(rows: Sequence[Mapping[str, Any]], at: Mapping[str, Any], **mark: Any) -> dict[str, Any]:
    """Write texts at rows' pixels from the top."""
    pixel = {"field": "pixel", "type": "quantitative", "scale": None, "axis": None}
    return {
        "data": {"values": [*rows]},
        "mark": {"type": "text", "align": "left", "baseline": "middle", **BOLD, **mark},
        "encoding": {**at, "y": pixel, "text": {"field": "said"}},
    }


def apart(rows: Iterable[Mapping[str, Any]], bottom: int) -> list[dict[str, Any]]:
    """Move texts at pixels from the top so far apart that none covers another.

    They are moved down, and where that leads past the bottom of the picture, up again.
    """
    placed: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: row["pixel"]):
        above = placed[-1]["pixel"] + LINE if placed else row["pixel"]
        placed.append({**row, "pixel": max(row["pixel"], above)})
    below = bottom
    for row in reversed(placed):
        row["pixel"] = min(row["pixel"], below)
        below = row["pixel"] - LINE
    return placed
