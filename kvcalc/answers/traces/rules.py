"""What is summed over the requests that live at once, by the rules of each engine.

A cost of the form fixed + sequences * per_request is a sum over a trace. Any other is a pool,
sized for the longest request and the most sequences at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kvcalc import engines
from kvcalc.answers.own_settings import own_settings, refuse_unknown
from kvcalc.costs import Cost
from kvcalc.engines import request
from kvcalc.engines.memory import Card
from kvcalc.engines.traffic import FAR
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.formula.formula import Formula
from kvcalc.model import Model

STEP = 2**20
POOL = "pool for the longest request and the most sequences"
"""The rule of an engine whose cache is no sum over requests."""


class Rule(NamedTuple):
    """What each request adds, for its tokens or its prompt's, and what is there once.

    `request` is None for a pool: then `cost` is evaluated for the longest request and the most
    sequences.
    """

    name: str
    cost: Cost
    request: Formula | None
    fixed: int = 0
    of: str = "tokens"

    @property
    def engine(self) -> str:
        """The engine, with the release behind it where that is not the one that was read last."""
        name, version = self.cost.engine, self.cost.engine_version
        return name if version == engines.find(name).version else f"{name}@{version}"

    @property
    def bytes_of_a_token(self) -> int:
        """What one more token of a long request adds, in bytes.

        Raises:
            RequestError: tokens add different amounts, so blocks of prompts cannot be shared.
        """
        assert self.request is not None
        grown = self.request(FAR + STEP) - self.request(FAR)
        if grown % STEP:
            raise RequestError.about(
                "prefix",
                f"on {self.cost.engine} a token of a long request is not a whole number of bytes",
            )
        return int(grown // STEP)


def rule_of(cost: Cost, name: str = "full length", of: str = "tokens") -> Rule:
    """Give the rule of one cost: a sum over a trace, or a pool if the cost has no split."""
    if isinstance(cost.split, str):
        return Rule(POOL, cost, None)
    return Rule(name, cost, cost.per_request, cost.fixed, of)


def rules(model: Model, engine: str, settings: Mapping[str, Any]) -> Iterator[Rule]:
    """Give the rules by which an engine's cache is summed over a trace.

    Raises:
        KvcalcError: as `kvcalc.cost`.
        UnsupportedError: what requests hold on the engine is not known.
    """
    settings = request.of_release(engine, settings)
    cost = request.cost(model, engine, **settings)
    if isinstance(cost.split, str):
        yield rule_of(cost)
        return
    chosen = engines.find(engine)
    if chosen.traffic is None:
        raise UnsupportedError(
            f"{engine}: kvcalc does not know what the requests of a trace hold on it",
            engine=engine,
            what="traffic",
        )
    given = chosen.settings(**settings)
    for one in chosen.traffic:
        summed = cost if one.cost is None else one.cost(model, given)
        at_release = replace(summed, engine_version=cost.engine_version)
        yield rule_of(at_release, one.name, one.of)


def rules_of(
    model: Model,
    engine: str | Sequence[str],
    window: int | Sequence[int] | None,
    settings: Mapping[str, Any],
    card: Card | None = None,
) -> Iterator[Rule]:
    """Give the rules of each engine at each window; engines' defaults depend on the GPU.

    Raises:
        KvcalcError: as `rules`.
    """
    windows = [window] if isinstance(window, int) else list(window or ())
    models = [model.with_window(tokens) for tokens in windows] or [model]
    names = [engine] if isinstance(engine, str) else list(engine)
    if len(names) > 1:
        refuse_unknown(settings, names, share=card is not None)
    for name in names:
        own = own_settings(name, settings, share=True) if len(names) > 1 else settings
        given = dict(own if card is None else engines.find(name).on_card(card, own))
        if card is not None and (memory := engines.find(name).memory):
            # How much memory the cache gets does not change what it holds.
            given.pop(memory.share or "", None)
        for one in models:
            yield from rules(one, name, given)
