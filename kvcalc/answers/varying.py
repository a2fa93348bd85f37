"""What varies among answers of several models, engines, settings and windows, in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kvcalc.units import at_version

Answered = Any
"""An answer for one model on one engine: `SweepRow`, `Curve`."""

LABELS: Mapping[str, Callable[[Answered], str]] = {
    "model": lambda row: row.model,
    "engine": lambda row: at_version(row.engine, row.engine_version),
    "element type": lambda row: row.kv_cache_dtype,
    "ranks": lambda row: f"{row.settings.get('tensor_parallel_size', 1)}",
    "sequences": lambda row: f"{row.sequences:,}",
    "window": lambda row: "" if row.window is None else f"{row.window:,}",
}
"""What may vary beside the context, as a person reads it."""

WORDS = ("model", "engine", "element type")
"""Labels that are words, and need no name beside them."""


def varying(rows: Sequence[Answered]) -> list[str]:
    """What varies among rows, beside context and window.

    An engine's own element type is no choice: it is said where it varies on one engine and model.
    """
    by_engine: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        by_engine.setdefault((row.model, row.engine), set()).add(row.kv_cache_dtype)
    types = max(map(len, by_engine.values())) > 1
    return [
        name
        for name, label in LABELS.items()
        if name != "window"
        and (types if name == "element type" else len({label(row) for row in rows}) > 1)
    ]
