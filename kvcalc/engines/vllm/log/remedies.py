"""With which changes a vLLM start would do that its log says failed, by vLLM's own checks.

A start needs the memory of one request (v1/core/kv_cache_planning.py) and, beside recurrent layers,
a block for each sequence (config/compilation.py). What it has is the memory that the log prints, at
the least, with what other ranks free of weights, what a larger share adds, and, where the GPU is
known, what a smaller batch, fewer sequences or no graphs save of the start's own parts (`budget`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from typing import Any

from kvcalc.engines.log import Changes, Printed, Remedy
from kvcalc.engines.log_remedies import RANKS_TALK, least
from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.engines.vllm.log.budget import OF_A_TENSOR, PASSES
from kvcalc.engines.vllm.log.run import GIB, GIB_PLACES, Run, RunPool, in_gib
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.start_up import longest_request, start_up_needs
from kvcalc.errors import KvcalcError

Needs = Callable[[RunPool, int], int]
"""Bytes on the fullest rank that the start-up check asks for, of a pool and a request's tokens."""


def most_needed(pool: RunPool, context: int) -> int:
    """What a release's own check asks for, on a rank of the stage that needs most."""
    return max(start_up_needs(pool.plan)(context))


BATCHES = (32768, 16384, 8192, 4096, 2048, 1024, 512)
AT_ONCE = (512, 256, 128, 64, 32, 16)
RANKS = (2, 4, 8)
"""Times as many ranks as the start had."""

MOST_SHARE = Fraction(98, 100)
"""The largest share that is named where the log does not say how much is free at the start."""


SAVING = {"max_num_batched_tokens", "max_num_seqs", "enforce_eager"}
"""Settings by which a start takes less beside its weights."""


class Failed:
    """A start that failed: what it had for its cache, and what it would have after a change."""

    def __init__(self, run: Run, available: Printed, context: int, needs: Needs) -> None:
        self.run, self.context, self.needs = run, context, needs
        self.available, _ = run.bytes_of(available)

    def remedies(self) -> tuple[Remedy, ...]:
        """The least change of each kind that starts, what gives up least first."""
        from kvcalc.engines.vllm.server import SERVER

        model = self.run.subject.model
        if model is None:
            return ()
        kinds = (kind(self) for kind in KINDS)
        return least(kinds, self.starts, SERVER, model)

    def starts(self, changes: Changes) -> str | None:
        """Say what a start with these changes needs and has; None where it fails, too."""
        given = dict(changes)
        context, share = given.pop("context", self.context), given.pop("share", None)
        pool = self.run.changed(given)
        then = pool.plan.settings
        freed, saved = self._freed(given, then), self._saved(given, then)
        room = self.available + freed + saved + self._shared(share)
        needed = max(self.needs(pool, context), self.sequences(pool) * pool.block)
        return f"needs {in_gib(needed)} of {in_gib(room)} GiB" if needed <= room else None

    def short_of(self) -> int:
        """Bytes that are missing."""
        pool = self.run.pool
        needed = max(self.needs(pool, self.context), self.sequences(pool) * pool.block)
        return needed - self.available

    def sequences(self, pool: RunPool) -> int:
        """Sequences that each need a block of their own."""
        return pool.plan.settings.sequences_at_once if pool.plan.bounds_sequences else 0

    def _freed(self, given: Mapping[str, Any], settings: VllmSettings) -> int:
        """Bytes that more ranks add to the cache of one: weights that others hold, less buffers.

        Weights count where ours are those that the log prints.
        """
        if "tensor_parallel_size" not in given or self.run.specified:
            return 0
        then, now = self._weights(settings), self._weights_now
        if self.run.weights is None or then is None or now is None:
            return -RANKS_TALK
        printed = Printed(0, "", self.run.weights, GIB_PLACES).value * GIB
        return (now - then if abs(printed - now) <= OF_A_TENSOR else 0) - RANKS_TALK

    def _saved(self, given: Mapping[str, Any], settings: VllmSettings) -> int:
        """Bytes that a start surely takes less, on a rank of the stage that saves least."""
        if SAVING.isdisjoint(given) or self.run.specified or "gpu" not in self.run.settings:
            return 0
        try:
            stages = zip(self._parts_now, self._parts(settings), strict=True)
            return min(_less(now, then) for now, then in stages)
        except KvcalcError:  # what such a start takes is not known
            return 0

    @cached_property
    def _parts_now(self) -> tuple[tuple[MemoryPart, ...], ...]:
        return self._parts(self.run.pool.plan.settings)

    @cached_property
    def _weights_now(self) -> int | None:
        return self._weights(self.run.pool.plan.settings)

    def _parts(self, settings: VllmSettings) -> tuple[tuple[MemoryPart, ...], ...]:
        from kvcalc.engines.vllm.budget import parts

        assert self.run.subject.model is not None
        return parts(self.run.subject.model, settings, Card(str(settings.gpu), 0, 0))

    def _weights(self, settings: VllmSettings) -> int | None:
        from kvcalc.engines.vllm.weights import weigh

        assert self.run.subject.model is not None
        loaded = weigh(self.run.subject.model, settings)
        return None if loaded is None else max(sum(stage.values()) for stage in loaded.stages)

    def _shared(self, share: Fraction | None) -> int:
        """Bytes that a larger share of the memory adds."""
        return 0 if share is None else floor((share - self.run.taken) * (self.run.device or 0))


def _less(now: Iterable[MemoryPart], then: Iterable[MemoryPart]) -> int:
    """By how much each part is surely smaller; passes peak one at a time, and count as one."""
    after = {_named(part): part.high for part in then}
    return sum(max(0, part.low - after.get(_named(part), 0)) for part in now)


def _named(part: MemoryPart) -> str:
    return PASSES[0] if part.name in PASSES else part.name


def most_share(run: Run) -> Fraction:
    """The largest share of the memory that a start may ask for: what was free is enough for it."""
    if run.free is None or run.device is None:
        return MOST_SHARE
    free = Printed(0, "", run.free, GIB_PLACES)
    return min(Fraction(1), (free.value - free.half_step) * GIB / run.device)


def _share(failed: Failed) -> Iterator[Changes]:
    """A larger share, in hundredths; of a memory that is given as bytes there is none."""
    run = failed.run
    if run.device is None or run.specified:
        return
    least_share = run.taken + Fraction(max(0, failed.short_of()), run.device)
    share = Fraction(ceil(least_share * 100), 100)
    if share <= most_share(run):
        yield {"share": share}


def _batch(failed: Failed) -> Iterator[Changes]:
    settings = failed.run.pool.plan.settings
    for tokens in BATCHES:
        if max(1, failed.sequences(failed.run.pool)) <= tokens < settings.batch:
            yield {"max_num_batched_tokens": tokens}


def _eager(failed: Failed) -> Iterator[Changes]:
    if not failed.run.pool.plan.settings.enforce_eager:
        yield {"enforce_eager": True}


def _one_batch(failed: Failed) -> Iterator[Changes]:
    if failed.run.pool.plan.settings.asynchronous:
        yield {"async_scheduling": False}


def _element(failed: Failed) -> Iterator[Changes]:
    yield {"kv_cache_dtype": "fp8"}


def _sequences(failed: Failed) -> Iterator[Changes]:
    pool = failed.run.pool
    if pool.plan.bounds_sequences and (most := failed.available // pool.block) > 0:
        yield {"max_num_seqs": most}
    now = pool.plan.settings.sequences_at_once
    yield from ({"max_num_seqs": fewer} for fewer in AT_ONCE if fewer < now)


def _context(failed: Failed) -> Iterator[Changes]:
    """The longest context, in whole K where that leaves any; beside recurrent layers sequences."""
    pool = failed.run.pool
    longest = longest_request(
        lambda tokens: failed.needs(pool, tokens) <= failed.available, failed.context
    )
    if 0 < longest < failed.context:
        tokens = longest // 1024 * 1024 or longest
        yield {"context": tokens}
        yield from ({"context": tokens, **fewer} for fewer in _sequences(failed))


def _ranks(failed: Failed) -> Iterator[Changes]:
    now = failed.run.pool.plan.settings.tensor_parallel_size
    for times in RANKS:
        yield {"tensor_parallel_size": now * times}


KINDS: tuple[Callable[[Failed], Iterator[Changes]], ...] = (
    *(_share, _batch, _one_batch, _sequences, _eager, _element, _context),
    _ranks,
)
"""The kinds of changes: those that no request notices first, more GPUs last."""
