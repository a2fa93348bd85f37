"""One side of a comparison: a model on an engine, what a request needs and what a pool holds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import Question
from kvcalc.answers.fit.replica import Replica
from kvcalc.answers.fit.room import rooms
from kvcalc.engines import request
from kvcalc.engines.memory import ALL, Card, Memory
from kvcalc.engines.released import ReleasedSettings
from kvcalc.engines.releases import Standing
from kvcalc.errors import TooLittleMemoryError, UnsupportedError
from kvcalc.readers.weights import Weights


class Figures(NamedTuple):
    """What is compared: bytes over all ranks and on the fullest, and what a pool holds.

    `weights_per_gpu` and `cache_memory_per_gpu` are bytes of each GPU, `capacity_tokens` is the
    engine's own count (None without a pool), `max_sequences` how many run at once; all are None if
    no memory was given.
    """

    bytes: int
    bytes_per_gpu: int
    weights_per_gpu: int | None = None
    cache_memory_per_gpu: int | None = None
    capacity_tokens: int | None = None
    max_sequences: int | None = None
    starts: bool | None = None


class Load(NamedTuple):
    """What is asked of both sides: `sequences` of `context` tokens each.

    `gpus` share the copies of the model; None if not given. `pool` says whether a memory was given,
    which a pool fills.
    """

    context: int
    sequences: int
    gpus: int | None
    pool: bool


def alone(question: Question) -> Replica:
    """A copy of the model on the ranks that are asked for; the number of GPUs is not given."""
    return Replica.of(question, question.settings.get("tensor_parallel_size", 1))


def given_memory(question: Question, memory: int) -> Question:
    """The same question for this many bytes per GPU, all for the cache."""
    rule: Memory = question.memory._replace(share=None, of=ALL, default=Fraction(1), rule=None)
    card = Card(f"{memory} bytes", memory, memory)
    return replace(question, memory=rule, card=card, weights=Weights(0, "", "none"), reserve=0)


def placed(question: Question, load: Load) -> Replica:
    """A copy of the model on its GPUs."""
    return alone(question) if load.gpus is None else Placing(question).on(load.gpus)


def figures(replica: Replica, load: Load) -> Figures:
    """The cost of a copy, and what its pool holds; each copy on the GPUs holds the same.

    Raises:
        KvcalcError: the engine does not run that many tokens or sequences.
    """
    context, sequences = load.context, load.sequences
    needs = Figures(
        replica.cost(context, sequences=sequences),
        replica.cost.per_gpu(context, sequences=sequences),
    )
    if not load.pool:
        return needs
    budget = max(0, replica.budget.cache)
    copies = 1 if load.gpus is None else load.gpus // replica.ranks
    none = needs._replace(
        weights_per_gpu=None if load.gpus is None else replica.weights,
        cache_memory_per_gpu=budget,
        max_sequences=0,
        starts=False,
    )
    if not budget:
        return none
    if replica.question.engine.pool is None:
        most = copies * replica.most_sequences(context)
        return none._replace(max_sequences=most, starts=None)
    try:
        held = replica.pool(context)
    except TooLittleMemoryError:
        return none
    return none._replace(
        capacity_tokens=held.capacity_tokens,
        max_sequences=copies * held.max_sequences,
        starts=held.figures.get("fits", True),
    )


def under(replica: Replica, standing: Standing) -> Replica:
    """The same copy under another release's rules."""
    asked = replica.question
    assert isinstance(replica.parsed, ReleasedSettings)
    parsed = replica.parsed.under(standing)
    taken = asked.memory.taken(asked.share, asked.card, parsed.model_dump(), standing, asked.model)
    made = rooms(asked, parsed, replica.weighed, taken)
    cost = asked.engine.cost(asked.model, parsed)
    return replace(replica, parsed=parsed, cost=cost, taken=taken, rooms=made)


def with_setting(replica: Replica, name: str, value: Any) -> Replica:
    """The same copy with another setting, or another share of the memory.

    Raises:
        KvcalcError: the engine refuses the setting.
    """
    asked = replica.question
    if name == asked.memory.share:
        changed = replace(asked, share=value)
    else:
        changed = asked.with_settings(**{name: value})
    return Replica.of(changed, replica.cards)


@dataclass(frozen=True)
class Side:
    """One of the two sides, or the sentence why it refuses; then bytes are None.

    `bytes` is over all ranks, `bytes_per_gpu` on the fullest. With a memory, `weights_per_gpu`
    and `cache_memory_per_gpu` are bytes per GPU, `capacity_tokens` is the engine's own count of
    tokens, `max_sequences` how many of this context run at once, `starts` whether its start-up
    check passes; else they are None. `why` says in one line what makes the bytes.
    """

    model: str
    engine: str
    engine_version: str
    kv_cache_dtype: str | None
    settings: Mapping[str, Any]
    bytes: int | None
    bytes_per_gpu: int | None
    weights_per_gpu: int | None
    cache_memory_per_gpu: int | None
    capacity_tokens: int | None
    max_sequences: int | None
    starts: bool | None
    why: str
    error: str | None


def answered(replica: Replica, load: Load) -> Side:
    """What a copy of the model answers."""
    cost = replica.cost
    return Side(
        model=cost.model.name,
        engine=cost.engine,
        engine_version=cost.engine_version,
        kv_cache_dtype=cost.kv_cache_dtype,
        settings=cost.settings,
        **figures(replica, load)._asdict(),
        why=cost.why,
        error=None,
    )


def refused(question: Question, name: str, error: UnsupportedError) -> Side:
    """The side of an engine that refuses, under the name that was asked for."""
    settings = dict(question.settings)
    engine, version = request.release_of(name, settings)
    return Side(
        model=question.model.name,
        engine=engine,
        engine_version=version,
        kv_cache_dtype=settings.pop("kv_cache_dtype", None),
        settings={
            key: settings[key] for key in settings if key not in ("release", "strict_version")
        },
        **dict.fromkeys(Figures._fields),
        why="",
        error=str(error),
    )
