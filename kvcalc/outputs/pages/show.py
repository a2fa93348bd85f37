"""What was read about a model, for people."""

from collections.abc import Iterator, Mapping
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
        notes=(*_parameters(shown), "where each fact came from", *origins),
    )


def _parameters(shown: Shown) -> Iterator[str]:
    """Lines of how many parameters there are, and in what."""
    if shown.parameters is None:
        yield "parameters: no rule counts those of this model type, and the file does not say them"
        return
    active = shown.active_parameters
    of_token = f", {active:,} of them for a token" if active not in (None, shown.parameters) else ""
    yield f"parameters: {shown.parameters:,}{of_token}"
    for component, count in sorted(shown.components.items(), key=lambda part: -part[1]):
        yield f"  {component.replace('_', ' ')}: {count:,}"
    if shown.mtp_parameters:
        yield f"  apart, of the layers that draft (MTP): {shown.mtp_parameters:,}"


def _written(shape: Mapping[str, Any]) -> str:
    """Write a shape, which may be broken into one line per field."""
    return "\n".join(
        f"{name} "
        + (" + ".join(f"{part['kind']}" for part in value) if name == "parts" else f"{value}")
        for name, value in shape.items()
    )
