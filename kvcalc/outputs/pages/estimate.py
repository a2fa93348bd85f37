"""An estimate for people: the bytes, and the layer groups that make them up."""

from kvcalc.answers.estimate import Estimate
from kvcalc.outputs.page import Page, bytes_cell, settings_note
from kvcalc.units import at_version, format_bytes, plural


def estimate_page(answer: Estimate, *, context_is_maximum: bool = False) -> Page:
    """Lay out one estimate; say so if its context is the model's maximum by default."""
    engine = at_version(answer.engine, answer.engine_version)
    asked = f"{answer.context:,} tokens" + (" (its maximum)" if context_is_maximum else "")
    where = f"{plural(answer.sequences, 'sequence')}, {answer.kv_cache_dtype}"
    notes = [*settings_note(answer.settings), f"formula: {answer.formula}"]
    if answer.bytes_per_gpu != answer.bytes:
        notes.insert(0, f"on the fullest GPU: {format_bytes(answer.bytes_per_gpu)}")
    return Page(
        title=f"KV cache of {answer.model} on {engine}, {asked}, {where}",
        columns=("layers", "count", "window", "bytes"),
        rows=(
            *(
                (
                    group.kind,
                    f"{group.layers:,}",
                    "" if group.window is None else f"{group.window:,}",
                    bytes_cell(group.bytes),
                )
                for group in answer.groups
            ),
            (
                "all",
                f"{sum(group.layers for group in answer.groups):,}",
                "",
                bytes_cell(answer.bytes),
            ),
        ),
        text_columns=1,
        notes=tuple(notes),
    )
