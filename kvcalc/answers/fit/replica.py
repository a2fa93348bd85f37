"""One copy of a model on the GPUs that share it: what its cache may take, and what fits there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from kvcalc.answers.fit.budget import Budget, Card, budget, share
from kvcalc.costs import Cost, Pool
from kvcalc.engines.engine import Engine
from kvcalc.errors import KvcalcError
from kvcalc.formula.inverse import UNBOUNDED, largest, periods_of
from kvcalc.model import Model
from kvcalc.readers.weights import Weights

MULTIPLIERS = ("tensor_parallel_size", "pipeline_parallel_size", "prefill_context_parallel_size")
"""Settings that multiply to the GPUs of one copy of the model."""

WEIGHT_DIVIDERS = ("tensor_parallel_size", "pipeline_parallel_size")
"""Settings over which the weights are divided."""


def all_blocks_but_one(replica: "Replica") -> int:
    """Bytes of all blocks but one, which is never handed out.

    vLLM 0.33.0, v1/core/block_pool.py (null_block); LMDeploy 0.16.0, config_builder.py.
    """
    figures = replica.pool(replica.question.model.max_context or 1).figures
    blocks: int = figures["num_gpu_blocks"] - 1
    block: int = figures["bytes_per_block"]
    return blocks * block


def budget_and_a_page(replica: "Replica") -> int:
    """The budget, and the page that SGLang allocates beyond it (srt/mem_cache/memory_pool.py)."""
    from kvcalc.engines.sglang.layout import lay_out
    from kvcalc.engines.sglang.resolved import resolve
    from kvcalc.engines.sglang.stored import FULL, WINDOW

    model, settings = replica.question.model, replica.parsed
    layout = lay_out(model, settings, resolve(model, settings))
    return replica.budget.cache + layout.bytes_of(FULL) + layout.bytes_of(WINDOW)


USABLE: Mapping[str, Callable[["Replica"], int]] = {
    "vllm": all_blocks_but_one,
    "lmdeploy": all_blocks_but_one,
    "sglang": budget_and_a_page,
}
"""What requests can use of a pool, in bytes on one GPU; of others it is the budget."""

SEVERAL_POOLS = ("sglang",)
"""Engines that cut their memory into several pools, so that no one budget decides what fits."""


@dataclass(frozen=True)
class Question:
    """What is asked of one model on one kind of GPU: `settings` are the engine's own, as given.

    `share` is the engine's share of the memory as given; `reserve` is bytes on one GPU.
    """

    model: Model
    engine: Engine
    card: Card
    weights: Weights
    reserve: int
    share: object
    settings: Mapping[str, Any]

    def with_settings(self, **settings: Any) -> "Question":
        """Ask the same with other settings of the engine."""
        return replace(self, settings={**self.settings, **settings})

    def replica(self, tensor_parallel_size: int) -> "Replica":
        """Put one copy of the model on as many tensor-parallel ranks.

        Raises:
            KvcalcError: the engine refuses the model, a setting or so many ranks.
        """
        from kvcalc.engines import request

        given = {**self.settings, "tensor_parallel_size": tensor_parallel_size}
        cost = request.cost(self.model, self.engine.name, **given)
        values = self.engine.settings(**given).model_dump()
        ranks = product(values, MULTIPLIERS)
        weights = -(-self.weights.bytes // product(values, WEIGHT_DIVIDERS))
        taken = share(self.engine.name, self.share, self.card, values)
        made = budget(self.engine.name, self.card, weights, self.reserve, taken)
        return Replica(self, given, cost, ranks, weights, made)


def product(values: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """Multiply the settings of these names; one that an engine lacks is 1."""
    total = 1
    for name in names:
        total *= values.get(name) or 1
    return total


@dataclass(frozen=True)
class Replica:
    """A copy of a model on `ranks` GPUs; `weights` are bytes on each of them."""

    question: Question
    settings: Mapping[str, Any]
    cost: Cost
    ranks: int
    weights: int
    budget: Budget

    @cached_property
    def parsed(self) -> Any:
        """The settings as the engine reads them."""
        return self.question.engine.settings(**self.settings)

    def pool(self, context: int) -> Pool:
        """The pool that the engine cuts its budget into.

        Raises:
            KvcalcError: the engine refuses so small a memory.
        """
        cut = self.question.engine.pool
        assert cut is not None
        return cut(self.question.model, self.parsed, self.budget.cache, context)

    @cached_property
    def cache(self) -> int:
        """Bytes on one GPU that requests can use; 0 where the engine would not start."""
        usable = USABLE.get(self.question.engine.name)
        if self.budget.cache <= 0:
            return 0
        if usable is None:
            return self.budget.cache
        try:
            return max(0, usable(self))
        except KvcalcError as error:
            if not str(error).startswith("memory:"):
                raise
            return 0

    @cached_property
    def periods(self) -> tuple[int, ...]:
        """The periods with which the cost falls as the context grows."""
        return periods_of(self.cost.per_gpu)

    def need(self, context: int, sequences: int) -> int:
        """Bytes on the fullest GPU that so many sequences take."""
        size: int = self.cost.per_gpu(context, sequences=sequences)
        return size

    def most_sequences(self, context: int) -> int:
        """How many sequences of so many tokens fit."""
        if self.budget.cache <= 0:
            return 0
        if self.question.engine.name in SEVERAL_POOLS:
            return self._in_pools(context)
        one = self.need(context, 1)
        if one > self.cache:
            return 0
        if not isinstance(self.cost.split, str):
            each = self.need(context, 2) - one
            return 1 + (self.cache - one) // each if each else UNBOUNDED
        return largest(lambda amount: self.runs(context, amount))

    def _in_pools(self, context: int) -> int:
        """How many sequences the engine's own pools hold; 0 where it would not start."""
        if context not in self._known:
            try:
                self._known[context] = self.pool(context).max_sequences
            except KvcalcError as error:
                if not str(error).startswith("memory:"):
                    raise
                self._known[context] = 0
        return self._known[context]

    @cached_property
    def _known(self) -> dict[int, int]:
        """What the pools hold at contexts that were asked about before."""
        return {}

    def runs(self, context: int, sequences: int) -> bool:
        """Whether so many sequences fit, and the engine runs so many."""
        try:
            return self.need(context, sequences) <= self.cache
        except KvcalcError:  # more sequences than llama.cpp can run
            return False

    def needs_more(self, context: int, sequences: int) -> bool:
        """Whether one sequence more would not fit, rather than not be run by the engine."""
        try:
            return self.need(context, sequences + 1) > self.cache
        except KvcalcError:
            return False

    def longest_context(self, sequences: int) -> int:
        """How many tokens each of so many sequences can have, up to the model's maximum."""
        if self.budget.cache <= 0:
            return 0
        most = self.question.model.max_context or UNBOUNDED
        per_gpu, several = self.cost.per_gpu, self.question.engine.name in SEVERAL_POOLS
        cache = self.budget.cache if several else self.cache
        found = largest(
            lambda tokens: per_gpu(tokens, sequences=sequences) <= cache, most, self.periods
        )
        if not several or self._is_longest(found, sequences, most):
            return found
        return largest(lambda tokens: self._in_pools(tokens) >= sequences, most)

    def _is_longest(self, context: int, sequences: int, most: int) -> bool:
        """Whether so many tokens, and no more, fit the engine's own pools."""
        if context and self._in_pools(context) < sequences:
            return False
        return context == most or self._in_pools(context + 1) < sequences
