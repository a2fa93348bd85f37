"""The presets for people, one line per preset."""

from collections.abc import Sequence

from kvcalc.answers.models import ModelRow
from kvcalc.outputs.page import Page


def models_page(rows: Sequence[ModelRow]) -> Page:
    """Lay out the presets."""
    return Page(
        title="Presets",
        columns=("model", "layers", "context", "parameters", "bytes per\ntoken"),
        rows=tuple(
            (
                row.model,
                row.layers.replace(" + ", " +\n"),
                "" if row.max_context is None else f"{row.max_context:,}",
                _parameters(row),
                f"{row.bytes_per_token:,}",
            )
            for row in rows
        ),
        text_columns=2,
        notes=(
            "bytes per token: of one sequence, while every layer still keeps all; windows and"
            " compression save of it. Recurrent states take fixed bytes beside: kvcalc show MODEL.",
        ),
    )


def _parameters(row: ModelRow) -> str:
    """All parameters, and those of a token as names have them: "397B-A17.8B"."""
    if row.active_parameters is None:
        return _billions(row.parameters)
    return f"{_billions(row.parameters)}-A{_billions(row.active_parameters)}"


def _billions(parameters: int | None) -> str:
    """Parameters as the field writes them, to one decimal below 100: "30.5B", "235B", "1.6T"."""
    if parameters is None:
        return ""
    unit, letter = (10**12, "T") if parameters >= 10**12 else (10**9, "B")
    tenths = (10 * parameters + unit // 2) // unit
    if tenths >= 1000:
        return f"{(parameters + unit // 2) // unit}{letter}"
    return (
        f"{tenths // 10}{letter}" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10}{letter}"
    )
