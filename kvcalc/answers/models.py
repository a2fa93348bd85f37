"""The presets, one record per preset."""

from collections import Counter
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from kvcalc.catalogue.folder import folder, read_table
from kvcalc.catalogue.models import names


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
        table = read_table(folder("models") / f"{name}.toml")
        sizes = (table.get(fact) for fact in ("max_context", "parameters", "active_parameters"))
        rows.append(ModelRow(name, _layers(table), *sizes))
    return rows


def _layers(table: dict[str, Any]) -> str:
    counts = Counter(islice(cycle(table["pattern"]), table["num_layers"]))
    kinds = {letter: layer["kind"] for letter, layer in table["layers"].items()}
    return " + ".join(
        f"{count} {kinds[letter].removesuffix('_attention')}" for letter, count in counts.items()
    )
