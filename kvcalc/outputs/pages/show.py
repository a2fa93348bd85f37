"""What was read about a model, for people."""

from collections.abc import Mapping
from typing import Any

from kvcalc.answers.show import Shown
from kvcalc.outputs.page import Page


def show_page(shown: Shown) -> Page:
    """Lay out a model as it was read."""
    longest = "" if shown.max_context is None else f", up to {shown.max_context:,} tokens"
    origins = (f"{fact}: {origin}" for fact, origin in shown.origins.items())
    return Page(
        title=f"{shown.model}: {shown.dtype}{longest}, from {shown.source}",
        columns=("layers", "shape", "count", "bytes per\ntoken", "fixed\nbytes"),
        rows=tuple(
            (
                group.kind,
                _written(group.shape),
                f"{group.layers:,}",
                f"{group.bytes_per_token:,}",
                f"{group.fixed_bytes:,}",
            )
            for group in shown.layers
        ),
        text_columns=2,
        notes=("where each fact came from", *origins),
    )


def _written(shape: Mapping[str, Any]) -> str:
    """Write a shape, which may be broken into one line per field."""
    return "\n".join(
        f"{name} "
        + (" + ".join(f"{part['kind']}" for part in value) if name == "parts" else f"{value}")
        for name, value in shape.items()
    )
