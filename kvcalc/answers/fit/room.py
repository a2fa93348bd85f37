"""How much of a GPU the cache gets on each pipeline stage, and what takes the rest."""

from collections.abc import Iterable
from fractions import Fraction

from kvcalc.answers.fit.question import Question
from kvcalc.engines.engine import Settings
from kvcalc.engines.memory import Free
from kvcalc.engines.memory_part import MemoryPart, exact
from kvcalc.engines.weights import Loaded
from kvcalc.readers.weights import Weights
from kvcalc.records import Record


class Room(Record):
    """Bytes for the cache on one GPU: the likely ones, and those that can be promised.

    `reserve` is what is likely held back beside the weights, and `outside` what the engine's share
    leaves. `parts` are what takes the rest of the GPU's memory, the largest first. Bytes are below
    0 where they leave nothing.
    """

    likely: int
    promised: int
    reserve: int
    outside: MemoryPart | None
    parts: tuple[MemoryPart, ...]


WEIGHTS = "weights"


def weights_of_stages(loaded: Loaded | None, even: int, weights: Weights) -> tuple[MemoryPart, ...]:
    """The weights on a GPU of each stage: as the engine loads them, else an `even` share."""
    if loaded is not None:
        sizes = [sum(parts.values()) for parts in loaded.stages]
        return tuple(exact(WEIGHTS, size, weights.source) for size in sizes)
    return (MemoryPart(WEIGHTS, even, even, even, "estimate", f"{weights.source}, divided evenly"),)


def rooms(
    question: Question, settings: Settings, weights: tuple[MemoryPart, ...], taken: Fraction
) -> tuple[Room, ...]:
    """Make room on a GPU of each stage: `weights` are those on it, `taken` the engine's share.

    Raises:
        UnsupportedError: what the engine's start takes is not known.
    """
    if question.measured is not None:
        weights = (question.measured.weights,)
    left = question.card.memory - max(part.bytes for part in weights)
    free = Free(left, taken, question.weights.tensors)
    beside = _beside(question, settings, free)
    stages = max(len(weights), len(beside))
    return tuple(
        _room(question, settings, weight, parts, taken)
        for weight, parts in zip(
            weights * (stages // len(weights)), beside * (stages // len(beside)), strict=True
        )
    )


def _beside(
    question: Question, settings: Settings, free: Free
) -> tuple[tuple[MemoryPart, ...], ...]:
    """The parts beside the weights, of each stage: the reserve that is given, else the engine's."""
    memory, reserve = question.memory, question.reserve
    if question.measured is not None:
        return (question.measured.parts,)
    if reserve is None and memory.parts is not None:
        return memory.parts(question.model, settings, question.card, free)
    part = MemoryPart("reserve", *(reserve or 0,) * 3, kind="given", source="as given")
    return ((part,) if reserve else (),)


def _room(
    question: Question,
    settings: Settings,
    weights: MemoryPart,
    beside: tuple[MemoryPart, ...],
    taken: Fraction,
) -> Room:
    memory, card = question.memory, question.card
    least = card._replace(memory=card.least_memory or card.memory)
    budget = memory.budget(card, weights.bytes, sum(part.bytes for part in beside), taken)
    likely = budget.cache
    promised = memory.budget(least, weights.high, sum(part.high for part in beside), taken).cache
    unused = card.memory - likely - sum(part.bytes for part in (weights, *beside))
    parts, outside = [weights, *beside], None
    asked = getattr(settings, memory.pool_setting) if memory.pool_setting else None
    if asked is not None:
        likely, promised = min(asked, likely + unused), min(asked, promised + unused)
    elif unused and memory.share is not None:
        source = memory.source.format(version=settings.engine_version(question.engine.version))
        outside = exact(f"outside of {memory.share}", unused, source)
        parts.append(outside)
    if card.memory > least.memory:
        unseen = card.memory - least.memory
        source = "the least that frameworks report of a GPU (kvcalc gpus)"
        parts.append(
            MemoryPart("memory that a driver may not report", 0, 0, unseen, "table", source)
        )
    return Room(likely, promised, budget.reserve, outside, largest_first(parts))


def largest_first(parts: Iterable[MemoryPart]) -> tuple[MemoryPart, ...]:
    """The parts in the order in which an answer has them."""
    return tuple(sorted(parts, key=lambda part: -part.bytes))
