"""What is asked of one model on one kind of GPU."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kvcalc import engines
from kvcalc.engines import request
from kvcalc.engines.engine import Engine, Settings
from kvcalc.engines.memory import Card, Memory
from kvcalc.engines.weights import Loaded
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from kvcalc.readers.weights import Weights, weights_of
from kvcalc.records import Record

if TYPE_CHECKING:
    from kvcalc.engines.log_measured import Measured


NO_CARD = Card("none", 0, 0)
NO_RULE = Memory("", "")
"""Stands for a GPU, and for the rule of its memory, where only bytes are asked about."""


class Question(Record):
    """What is asked: the engine's `settings`, as given, and `memory`, its rule for a GPU's memory.

    `share` is the engine's share of the memory as given; `reserve` is bytes per GPU, in place of
    what the engine's start is known to take beside the weights, None for that. `measured` is what
    a log of the same server printed, in place of both.
    """

    model: Model
    engine: Engine
    memory: Memory
    card: Card
    weights: Weights
    reserve: int | None
    share: object
    settings: Mapping[str, Any]
    measured: "Measured | None" = None

    def loaded(self, settings: Settings) -> Loaded | None:
        """What the engine loads on a rank; None where the weights' even share stands for it.

        Raises:
            UnsupportedError: the ranks do not divide the model.
        """
        known = self.weights.published or self.weights.tensors
        weigh = self.engine.weights if known else None
        return weigh(self.model, settings, self.weights.tensors) if weigh else None

    def with_settings(self, **settings: Any) -> "Question":
        """The same question with other settings of the engine."""
        return replace(self, settings={**self.settings, **settings})


def question(
    model: Model,
    *,
    on: Card | None,
    engine: str = "ideal",
    weights: Weights | int | None = None,
    reserve: int | None = None,
    **settings: Any,
) -> Question:
    """Gather what is asked of a model on a kind of GPU; settings are the engine's own.

    They include its share of the memory (gpu_memory_utilization, mem_fraction_static ...); the GPU
    becomes the setting `gpu` of an engine that has one. Without a GPU `on`, bytes alone are asked,
    and an engine needs no rule for its memory.

    Raises:
        RequestError: the engine or a setting is not known, or the size of the weights is not.
        UnsupportedError: how the engine divides a GPU's memory is not known.
    """
    request.require_model(model)
    settings, chosen = request.of_release(engine, settings), engines.find(engine)
    memory, card = chosen.memory, on or NO_CARD
    if memory is None and on is None:
        memory = NO_RULE
    if memory is None:
        raise UnsupportedError(
            f"{chosen.name}: kvcalc does not know what it gives its cache of a GPU's memory",
            engine=chosen.name,
            what="memory",
        )
    for name in settings:
        if name != memory.share and name not in chosen.settings.model_fields:
            own = [*chosen.settings.model_fields, *([memory.share] if memory.share else [])]
            raise request.no_setting(chosen.name, name, own)
    share = settings.pop(memory.share or "", None)
    return Question(
        model=model,
        engine=chosen,
        memory=memory,
        card=card,
        weights=weights_of(model, weights),
        reserve=reserve,
        share=share,
        settings=chosen.on_card(card, settings),
    )
