"""The presets, a record each."""

from dataclasses import dataclass

from kvcalc.catalogue.models import names
from kvcalc.catalogue.source import folder
from kvcalc.model import Model
from kvcalc.readers.preset import read


@dataclass(frozen=True)
class ModelRow:
    """A preset: its name, its layers by kind, and its sizes (tokens; parameters as a count)."""

    model: str
    layers: str
    max_context: int | None
    parameters: int | None
    active_parameters: int | None


def models() -> list[ModelRow]:
    """Read every preset."""
    rows = []
    for name in names():
        model = read(folder() / f"{name}.toml").model
        rows.append(
            ModelRow(
                name,
                _layers(model),
                model.max_context,
                model.parameters,
                model.active_parameters,
            )
        )
    return rows


def _layers(model: Model) -> str:
    return " + ".join(
        f"{count} {layer.kind.removesuffix('_attention')}" for layer, count in model.groups
    )
