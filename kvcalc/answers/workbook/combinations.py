"""A model with an engine, an element type and ranks: its cost, or why it has no cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from kvcalc.answers.fit.card import card
from kvcalc.answers.listed import BETWEEN_PARTS, Listed
from kvcalc.answers.own_settings import own_settings
from kvcalc.costs import SEQUENCES, Cost
from kvcalc.engines import find, request
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.formula.formula import Formula
from kvcalc.model import Model


@dataclass(frozen=True)
class Combination:
    """A model on an engine with an element type and ranks: its cost, or the error why not.

    `most_sequences` is how many the engine runs at once, None without a limit;
    `refused_sequences` is the sentence for more. `settings` are those of the engines that were
    given, the share of a GPU's memory too.
    """

    listed: Listed
    engine: str
    kv_cache_dtype: str
    tensor_parallel_size: int
    cost: Cost | None = None
    most_sequences: int | None = None
    refused_sequences: str = ""
    error: KvcalcError | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The key by which the sheets find the combination."""
        return BETWEEN_PARTS.join(
            (self.listed.name, self.engine, self.kv_cache_dtype, str(self.tensor_parallel_size))
        )


def at(combination: Combination, formula: Formula, context: int, sequences: int = 1) -> int | str:
    """Evaluate a formula of a combination, or say why its engine does not run that many."""
    try:
        answer: int = formula(context, sequences=sequences)
    except KvcalcError as error:
        return str(error)
    return answer


def asked_of(
    one: Combination, gpu: str | None, given: Mapping[str, int] = MappingProxyType({})
) -> dict[str, Any]:
    """The settings of a combination's engine, by its defaults on a GPU if one is named.

    Settings that are `given` stand for those defaults.
    """
    asked = {
        **given,
        **own_settings(one.engine, one.settings),
        "kv_cache_dtype": one.kv_cache_dtype,
        "tensor_parallel_size": one.tensor_parallel_size,
    }
    return asked if gpu is None else find(one.engine).on_card(card(gpu), asked)


def cost_of(
    one: Combination,
    model: Model,
    gpu: str | None,
    given: Mapping[str, int] = MappingProxyType({}),
) -> Cost:
    """What a combination's engine needs for a model, with these settings."""
    return request.cost(model, one.engine, **asked_of(one, gpu, given))


def combination(
    listed: Listed,
    engine: str,
    dtype: str,
    ranks: int,
    gpu: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Combination:
    """Work out a combination, whose engine must run any number of sequences up to its limit."""
    one = Combination(listed, engine, dtype, ranks, settings=settings or {})
    try:
        cost = cost_of(one, listed.model, gpu)
        cost(1)
    except KvcalcError as error:
        return replace(one, error=error.with_traceback(None))
    limits = cost.formula.limits
    if any(limit.value != SEQUENCES for limit in limits):
        gap = f"not in a spreadsheet: {engine} runs only some numbers of sequences"
        return replace(one, error=UnsupportedError(gap, engine=engine, what="sequences"))
    least = min(limits, key=lambda limit: limit.most, default=None)
    refused = "" if least is None else f"sequences: expected {least.expected}"
    return replace(one, cost=cost, most_sequences=cost.max_sequences, refused_sequences=refused)
