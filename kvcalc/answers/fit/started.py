"""What a start leaves of the GPUs that share a model, before anything is asked of its cache."""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

from kvcalc.answers.fit.question import Question
from kvcalc.answers.fit.room import Room, rooms, weights_of_stages
from kvcalc.engines.engine import Settings
from kvcalc.engines.weights import Loaded

BESIDE = ("pipeline_parallel_size", "prefill_context_parallel_size")
"""Settings that multiply the GPUs of one copy of the model, besides the one that spreads it."""


def product(values: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """Multiply the settings with these names; a setting that the engine lacks counts as 1."""
    total = 1
    for name in names:
        total *= values.get(name) or 1
    return total


class Started(NamedTuple):
    """What a start on `gpus` GPUs leaves of them, before anything is asked of its cache.

    The others are as of a `Replica`.
    """

    settings: Mapping[str, Any]
    parsed: Settings
    gpus: int
    taken: Fraction
    rooms: tuple[Room, ...]
    loaded: Loaded | None


def started(question: Question, cards: int) -> Started:
    """Spread one copy of the model over this many cards, times its pipeline stages.

    Raises:
        KvcalcError: a setting or the cards are refused, or what the start takes is not known.
    """
    spread = question.memory.spread
    given = {spread.setting: spread.over(cards), **question.settings}
    parsed = question.engine.settings(**given)
    values = parsed.model_dump()
    split = values[spread.setting]
    share = spread.fullest(split) / (values.get("pipeline_parallel_size") or 1)
    loaded = question.loaded(parsed)
    even = ceil(question.weights.bytes * share)
    parts = weights_of_stages(loaded, even, question.weights)
    taken = question.memory.taken(
        question.share, question.card, values, parsed.standing, question.model
    )
    gpus = spread.cards(split) * product(values, BESIDE)
    made = rooms(question, parsed, parts, taken)
    return Started(given, parsed, gpus, taken, made, loaded)
