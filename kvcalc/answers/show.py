"""What was read about a model: each group of layers, and where each fact comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvcalc.engines.additive import rows_of
from kvcalc.engines.engine import Settings
from kvcalc.engines.ideal import ENGINE, kinds
from kvcalc.model import Model
from kvcalc.readers import read
from kvcalc.readers.reading import Reading


@dataclass(frozen=True)
class ShownLayers:
    """A group of equal layers: its shape, and what one of them keeps at the model's own dtype.

    `bytes_per_token` are added while the layer grows, `fixed_bytes` at any context.
    """

    kind: str
    layers: int
    shape: Mapping[str, Any]
    bytes_per_token: int
    fixed_bytes: int


@dataclass(frozen=True)
class Shown:
    """A model as it was read; `origins` says where each fact stood.

    Parameters are counted of its tensors, by component; of a model without a rule for them they are
    those that were read, if any. `mtp_parameters` are apart from `parameters`.
    """

    model: str
    source: str
    model_type: str | None
    dtype: str
    max_context: int | None
    parameters: int | None
    active_parameters: int | None
    mtp_parameters: int | None
    components: Mapping[str, int]
    layers: tuple[ShownLayers, ...]
    origins: Mapping[str, str]


def show(source: str | Path | Reading) -> Shown:
    """Show what was read about a model, with bytes as `ideal` counts them.

    `source` is as for `kvcalc.load`, or a result of `kvcalc.read`.

    Raises:
        KvcalcError: as `kvcalc.load`.
    """
    reading = source if isinstance(source, Reading) else read(source)
    model = reading.model
    counted = model.counted
    return Shown(
        model=model.name,
        source=reading.source,
        model_type=model.model_type,
        dtype=model.dtype,
        max_context=model.max_context,
        parameters=counted.total if counted else model.parameters,
        active_parameters=counted.active if counted else model.active_parameters,
        mtp_parameters=counted.mtp if counted else None,
        components={str(part): n for part, n in counted.components.items()} if counted else {},
        layers=shown_layers(model),
        origins=dict(reading.origins),
    )


def shown_layers(model: Model) -> tuple[ShownLayers, ...]:
    """The groups of a model's layers, in order of appearance, with bytes as `ideal` counts them."""
    rules = kinds(model, Settings.model_construct())  # the defaults, which need no checks
    groups = []
    for layer, layers in model.groups:
        kept = rows_of(layer, ENGINE.name, rules)
        groups.append(
            ShownLayers(
                kind=layer.kind,
                layers=layers,
                shape=layer.shape,
                bytes_per_token=sum(r.row_bytes for r in kept if not isinstance(r.tokens, int)),
                fixed_bytes=sum(r.row_bytes * r.tokens for r in kept if isinstance(r.tokens, int)),
            )
        )
    return tuple(groups)
