"""The presets for people, one line per preset."""

from collections.abc import Sequence

from kvcalc.answers.models import ModelRow
from kvcalc.outputs.page import Page


def models_page(rows: Sequence[ModelRow]) -> Page:
    """Lay out the presets."""
    return Page(
        title="Presets",
        columns=("model", "layers", "context", "parameters", "active"),
        rows=tuple(
            (
                row.model,
                row.layers,
                "" if row.max_context is None else f"{row.max_context:,}",
                _billions(row.parameters),
                _billions(row.active_parameters),
            )
            for row in rows
        ),
        text_columns=2,
    )


def _billions(parameters: int | None) -> str:
    """Parameters as the field writes them, to one decimal: "30.5B"."""
    if parameters is None:
        return ""
    tenths = (parameters + 5 * 10**7) // 10**8
    return f"{tenths // 10}B" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10}B"
