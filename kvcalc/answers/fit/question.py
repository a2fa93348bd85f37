"""What is asked of one model on one kind of GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kvcalc import engines
from kvcalc.engines import request
from kvcalc.engines.engine import Engine
from kvcalc.engines.memory import Card, Memory
from kvcalc.errors import RequestError, UnsupportedError, quote
from kvcalc.model import Model
from kvcalc.readers.weights import Weights, weights_of


@dataclass(frozen=True)
class Question:
    """What is asked: `settings` are the engine's own, as given, and `memory` its rule.

    `share` is the engine's share of the memory as given; `reserve` is bytes on one GPU.
    """

    model: Model
    engine: Engine
    memory: Memory
    card: Card
    weights: Weights
    reserve: int
    share: object
    settings: Mapping[str, Any]

    def with_settings(self, **settings: Any) -> "Question":
        """Ask the same with other settings of the engine."""
        return replace(self, settings={**self.settings, **settings})


def question(
    model: Model,
    *,
    on: Card,
    engine: str = "ideal",
    weights: Weights | int | None = None,
    reserve: int = 0,
    **settings: Any,
) -> Question:
    """Gather what is asked of a model on a kind of GPU; settings are the engine's own.

    The engine's share of the memory (gpu_memory_utilization, mem_fraction_static ...) is one of
    them; the GPU is made the engine's setting `gpu` where it has one.

    Raises:
        RequestError: no such engine or setting, or nothing says how large the weights are.
        UnsupportedError: what the engine does with a GPU's memory is not known.
    """
    request.require_model(model)
    settings, chosen = request.of_release(engine, settings), engines.find(engine)
    memory = chosen.memory
    if memory is None:
        raise UnsupportedError(
            f"{chosen.name}: kvcalc does not know what it gives its cache of a GPU's memory",
            engine=chosen.name,
            what="memory",
        )
    for name in settings:
        if name != memory.share and name not in chosen.settings.model_fields:
            own = [*chosen.settings.model_fields, *([memory.share] if memory.share else [])]
            raise RequestError(
                f"{chosen.name} has no setting {quote(name)}; it has {', '.join(own)}", field=name
            )
    share = settings.pop(memory.share or "", None)
    on_it = chosen.on_card(on, settings)
    weighing = weights_of(model, weights)
    return Question(model, chosen, memory, on, weighing, reserve, share, on_it)
