"""What a rank holds beside its cache when an engine starts, by the rules of `kvcalc fit`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kvcalc import engines
from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.question import Question, question
from kvcalc.answers.fit.room import WEIGHTS
from kvcalc.answers.fit.started import Started, started
from kvcalc.engines import request
from kvcalc.engines.memory import Free
from kvcalc.engines.memory_part import MemoryPart, PartRule, not_modelled
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import Value, variable
from kvcalc.model import Model
from kvcalc.readers.weights import Weights

USUAL_GPU = "h200"
"""The GPU that *Plan* starts with unless another is asked for."""

UNKNOWN = Weights(0, "", "not known")
"""Stands for weights of which nothing tells how large they are."""


class Start(NamedTuple):
    """The weights on a rank, and the parts beside them, as arithmetic over what is left open.

    `weights` are None where they are not known; `declined` is why the parts are not known. `own`
    are the settings that are left open, as they are by themselves. `at_once` is how many sequences
    the engine runs at once, a sentence where that is not known, None where its memory alone
    decides. With `fixed` the parts are those of this GPU, these weights and this share alone.
    """

    weights: PartRule | None
    parts: tuple[PartRule, ...]
    own: Mapping[str, int]
    at_once: Value | str | None = None
    declined: str = ""
    fixed: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """All of it, to find its like by."""
        beside = self.weights, self.parts, self.at_once, self.declined, self.fixed
        return (*beside, frozenset(self.own.items()))

    @property
    def at_first(self) -> tuple[MemoryPart, ...]:
        """The parts before a planner changes any setting."""
        return tuple(rule.at(self.own) for rule in self.parts)


def own_inputs(engine: str, gpu: str, settings: Mapping[str, Any]) -> Mapping[str, int]:
    """The settings that the parts of an engine's start follow, as they are on a GPU."""
    chosen = engines.find(engine)
    if chosen.memory is None or chosen.memory.live is None:
        return {}
    own = request.of_release(engine, dict(settings))
    parsed = chosen.settings(**chosen.on_card(card(gpu), own))
    return {name: of(parsed) for name, of in chosen.memory.live.inputs.items()}


def start(
    model: Model,
    engine: str,
    ranks: int,
    weights: Weights | None,
    gpu: str,
    settings: Mapping[str, Any],
) -> Start:
    """What a start on so many ranks holds on a GPU.

    Raises:
        KvcalcError: the engine refuses the ranks, or how it divides a GPU's memory is not known.
    """
    asked = question(
        model, on=card(gpu), engine=engine, weights=weights or UNKNOWN, reserve=0, **settings
    )
    found, live = started(asked, ranks), asked.memory.live
    own = {} if live is None else {name: of(found.parsed) for name, of in live.inputs.items()}
    loaded = None if weights is None else _weights(asked, ranks, found, own)
    try:
        parts = _parts(asked, found, own)
    except KvcalcError as error:
        return Start(loaded, (), own, _at_once(asked, found), declined=str(error))
    fixed = bool(parts) and live is None
    return Start(loaded, parts, own, _at_once(asked, found), fixed=fixed)


def _at_once(asked: Question, found: Started) -> Value | None:
    memory = asked.memory
    if memory.live is not None and memory.live.at_once is not None:
        return variable(memory.live.at_once)
    return None if memory.cap is None else memory.cap(found.parsed, asked.card)


def _weighed(found: Started) -> MemoryPart:
    return next(part for part in found.rooms[0].parts if part.name == WEIGHTS)


def _weights(asked: Question, ranks: int, found: Started, own: Mapping[str, int]) -> PartRule:
    """The weights on a rank; what is kept beside them grows evenly with a batch, or not at all."""
    rule = PartRule.of(_weighed(found))
    if found.loaded is None:
        return rule
    size = rule.bytes
    for name, amount in own.items():
        one_more = _weighed(started(asked.with_settings(**{name: amount + 1}), ranks))
        size += (one_more.bytes - _weighed(found).bytes) * (variable(name) - amount)
    return PartRule(rule.name, size, size, size, rule.kind, rule.source)


def _parts(asked: Question, found: Started, own: Mapping[str, int]) -> tuple[PartRule, ...]:
    """The parts beside the weights, of the one stage that a workbook has.

    Raises:
        UnsupportedError: a part is not known.
    """
    memory, stored = asked.memory, asked.weights.tensors
    if memory.live is not None:
        open_ = {name: variable(name) for name in own}
        (stage,) = memory.live.rules(asked.model, found.parsed, asked.card, open_, stored)
        return stage
    if memory.parts is None:
        return ()
    if asked.weights is UNKNOWN:
        raise not_modelled(asked.engine.name, "a model whose weights are not known")
    left = asked.card.memory - _weighed(found).bytes
    free = Free(left, found.taken, stored)
    (parts,) = memory.parts(asked.model, found.parsed, asked.card, free)
    return tuple(map(PartRule.of, parts))
