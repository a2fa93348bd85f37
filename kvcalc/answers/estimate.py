"""One context: the bytes, and each layer group's share of them."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from kvcalc.costs import Cost
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.model import Model
from kvcalc.records import Record


class GroupShare(Record):
    """A layer group's share: bytes over all ranks; `window` in tokens, None if it has no window."""

    kind: str
    layers: int
    window: int | None
    bytes: int


class Estimate(Record):
    """An answer: tokens and bytes are ints; `bytes` is over all ranks.

    `engine_version` is the release that the answer holds for. `settings` are those that differ from
    the engine's defaults; `window` is None if the model has no window or several.
    """

    model: str
    engine: str
    engine_version: str
    context: int
    sequences: int
    window: int | None
    kv_cache_dtype: str
    settings: Mapping[str, Any] = field(hash=False)
    bytes: int
    bytes_per_gpu: int
    formula: str
    groups: tuple[GroupShare, ...]


def estimate(
    model: Model,
    *,
    context: int | None = None,
    sequences: int = 1,
    window: int | None = None,
    engine: str = "ideal",
    settings: Settings | None = None,
    **given: Any,
) -> Estimate:
    """Answer for one context, in tokens of one sequence; by default the model's maximum.

    Settings are given as to `kvcalc.cost`.

    Raises:
        KvcalcError: as `kvcalc.cost`; or no context is given for a model without a maximum.
    """
    if context is None:
        context = model.longest_context
    if window is not None:
        model = model.with_window(window)
    return estimate_of(request.cost(model, engine, settings=settings, **given), context, sequences)


def estimate_of(cost: Cost, context: int, sequences: int) -> Estimate:
    """Evaluate a cost for that many sequences of that many tokens."""
    return Estimate(**answer(cost, context, sequences))


def answer(cost: Cost, context: int, sequences: int) -> dict[str, Any]:
    """Evaluate a cost into the fields of an `Estimate`."""
    return {
        "model": cost.model.name,
        "engine": cost.engine,
        "engine_version": cost.engine_version,
        "context": context,
        "sequences": sequences,
        "window": cost.model.window,
        "kv_cache_dtype": cost.kv_cache_dtype,
        "settings": cost.settings,
        "bytes": cost(context, sequences=sequences),
        "bytes_per_gpu": cost.per_gpu(context, sequences=sequences),
        "formula": str(cost.formula),
        "groups": tuple(
            GroupShare(
                group.kind,
                group.layers,
                group.window,
                group.formula(context, sequences=sequences),
            )
            for group in cost.groups
        ),
    }
