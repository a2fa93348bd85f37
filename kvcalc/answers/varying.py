"""Which of several models, engines, settings and windows vary among answers, in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kvcalc.units import at_version, plural

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
"""What may vary beside the context, and the label that people read for it."""

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


def distinguishing(rows: Sequence[Answered]) -> list[str]:
    """What varies among rows beside the context: the window too, where a model has several."""
    windows: dict[str, set[int | None]] = {}
    for row in rows:
        windows.setdefault(row.model, set()).add(row.window)
    several = any(len(each) > 1 for each in windows.values())
    return [*varying(rows), *(["window"] if several else [])]


TOLD: Mapping[str, Callable[[Answered], str]] = {
    **LABELS,
    "ranks": lambda row: f"{LABELS['ranks'](row)} ranks",
    "sequences": lambda row: plural(row.sequences, "sequence"),
    "window": lambda row: f"window {row.window:,}" if row.window else "",
}
"""How each thing that varies is told, where no column has its name."""


def labels(row: Answered, names: Sequence[str]) -> tuple[str, ...]:
    """What distinguishes a row, the most telling first; its engine where nothing does."""
    return tuple(said for name in names or ["engine"] if (said := TOLD[name](row)))


def title(rows: Sequence[Answered], names: Sequence[str]) -> str:
    """Say what all rows share."""
    first = rows[0]
    models = plural(len({one.model for one in rows}), "model")
    parts = [models if "model" in names else first.model]
    parts[0] += "" if "engine" in names else f" on {LABELS['engine'](first)}"
    parts += [] if "sequences" in names else [plural(first.sequences, "sequence")]
    parts += [first.kv_cache_dtype] if len({one.kv_cache_dtype for one in rows}) == 1 else []
    return f"KV cache of {', '.join(parts)}"


def saved(rows: Sequence[Answered]) -> tuple[tuple[int, int], ...]:
    """Pair rows that differ in their window alone: the largest and the smallest of each."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(rows):
        if one.window is not None:
            key = (one.model, one.engine, one.engine_version, one.kv_cache_dtype, one.sequences)
            alike.setdefault((*key, *sorted(one.settings.items(), key=str)), []).append(place)
    pairs = []
    for places in alike.values():
        places.sort(key=lambda place: -(rows[place].window or 0))
        pairs += [(places[0], places[-1])] if len(places) > 1 else []
    return tuple(pairs)
