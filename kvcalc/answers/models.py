"""The presets, one record per preset."""

from collections import Counter
from dataclasses import dataclass

from kvcalc.answers.show import ShownLayers, shown_layers
from kvcalc.catalogue.models import names
from kvcalc.readers import load
from kvcalc.records import Records


@dataclass(frozen=True)
class ModelRow:
    """A preset: its name, its layers by kind, and its sizes (tokens; parameters as a count).

    `bytes_per_token` is what one sequence's next token takes while every layer still keeps all, at
    the model's own dtype; `fixed_bytes` what its recurrent states take at any context. Both are as
    `ideal` counts them.
    """

    model: str
    layers: str
    max_context: int | None
    parameters: int | None
    active_parameters: int | None
    bytes_per_token: int
    fixed_bytes: int


def models() -> Records[ModelRow]:
    """Read every preset."""
    rows: Records[ModelRow] = Records()
    for name in names():
        model = load(name)
        layers = shown_layers(model)
        rows.append(
            ModelRow(
                model=name,
                layers=_by_kind(layers),
                max_context=model.max_context,
                parameters=model.parameters,
                active_parameters=model.active_parameters,
                bytes_per_token=sum(group.layers * group.bytes_per_token for group in layers),
                fixed_bytes=sum(group.layers * group.fixed_bytes for group in layers),
            )
        )
    return rows


def _by_kind(layers: tuple[ShownLayers, ...]) -> str:
    counts: Counter[str] = Counter()
    for group in layers:
        counts[group.kind.removesuffix("_attention")] += group.layers
    return " + ".join(f"{count} {kind}" for kind, count in counts.items())
