"""What a rank holds beside its cache when an engine starts, by the rules of `kvcalc fit`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.question import question
from kvcalc.answers.fit.replica import Replica
from kvcalc.answers.fit.room import WEIGHTS
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.errors import KvcalcError
from kvcalc.model import Model
from kvcalc.readers.weights import Weights

USUAL_GPU = "h200"
"""The GPU that *Plan* starts with unless another is asked for."""

HOW_KNOWN = (None, 0)
"""What stands for the parts: what is known of them, or nothing where they are declined."""


class Start(NamedTuple):
    """Bytes of weights on a rank of the fullest stage, and the parts beside them.

    There are no parts where the engine's start is declined.
    """

    weights: int
    parts: tuple[MemoryPart, ...]

    @property
    def most(self) -> int:
        """The most bytes that the parts may take, which a promise is less by."""
        return sum(part.high for part in self.parts)


def start(
    model: Model,
    engine: str,
    ranks: int,
    weights: Weights,
    gpu: str,
    settings: Mapping[str, Any],
) -> Start | None:
    """What a start on so many ranks holds on a GPU; None where the engine refuses them."""
    on = card(gpu)
    for reserve in HOW_KNOWN:
        try:
            asked = question(
                model, on=on, engine=engine, weights=weights, reserve=reserve, **settings
            )
            copy = Replica.of(asked, ranks)
        except KvcalcError:
            continue
        room = copy.room
        apart = (part for part in room.parts if part.name != WEIGHTS and part is not room.outside)
        return Start(copy.weights, tuple(part for part in apart if part.bytes))
    return None
