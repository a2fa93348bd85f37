"""A derivation for people: its steps in a table, then the formula, the number and the lever."""

from kvcalc.explanation import ExplainedStep, Explanation
from kvcalc.outputs.page import Page
from kvcalc.units import format_bytes


def explain_page(explanation: Explanation) -> Page:
    """Lay out a derivation."""
    notes = [f"formula: {explanation.formula}", f"= {format_bytes(explanation.bytes)}"]
    if explanation.bytes_per_gpu != explanation.bytes:
        notes.append(f"on the fullest GPU: {format_bytes(explanation.bytes_per_gpu)}")
    if explanation.why:
        notes.append(f"why: {explanation.why}")
    if explanation.lever is not None:
        lever = explanation.lever
        notes.append(f"what would change it most: {lever.flag}: {lever.bytes:,} B")
    rows = []
    for group in explanation.groups:
        layers = f"{group.layers} {group.kind}"
        rows += [_row(layers if first else "", step) for first, step in _firsts(group.steps)]
    rows += [_row("all" if first else "", step) for first, step in _firsts(explanation.steps)]
    return Page(
        title=explanation.title,
        columns=("layers", "step", "working", "value", "unit"),
        rows=tuple(rows),
        text_columns=3,
        notes=tuple(notes),
    )


def _firsts(steps: tuple[ExplainedStep, ...]) -> list[tuple[bool, ExplainedStep]]:
    return [(place == 0, step) for place, step in enumerate(steps)]


def _row(layers: str, step: ExplainedStep) -> tuple[str, ...]:
    return layers, step.name, step.working, f"{step.value:,}", step.unit
