"""How many GPUs hold a trace's peak beside the weights of the model, by the rules of `fit`.

A copy of the model holds what fits the cache memory of its GPUs. Requests are dealt to the copies
so that all are equally full, and no request is longer than one copy holds.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import question
from kvcalc.answers.fit.replica import Replica
from kvcalc.answers.own_settings import own_settings
from kvcalc.answers.traces.request_bytes import RequestBytes, request_bytes
from kvcalc.answers.traces.row import TraceRow, TraceRowOnGpus
from kvcalc.answers.traces.rules import Rule, rules
from kvcalc.answers.traces.sums import Sums
from kvcalc.engines.memory import Card
from kvcalc.formula.expression import substituted
from kvcalc.formula.formula import Formula
from kvcalc.readers.weights import Weights


class Gpus:
    """Copies of the models of some rules, on GPUs of one kind.

    `count` is of the GPUs that there are, None for the fewest that hold a peak; `weights` are bytes
    of each model, counted from its parameters if None; `reserve` is bytes per GPU in place of what
    an engine's start takes beside, None for that.

    Raises:
        KvcalcError: as `fit`.
    """

    def __init__(
        self,
        chosen: list[Rule],
        card: Card,
        count: int | None,
        weights: Weights | int | None,
        reserve: int | None,
        settings: Mapping[str, Any],
    ) -> None:
        self._card = card
        self._count = count
        self._placings: dict[tuple[str, int | None], Placing] = {}
        for rule in chosen:
            model, engine = rule.cost.model, rule.engine
            if (engine, model.window) not in self._placings:
                own = own_settings(engine, settings, share=True)
                asked = question(
                    model, on=card, engine=engine, weights=weights, reserve=reserve, **own
                )
                self._placings[engine, model.window] = Placing(asked)
        self._own: dict[tuple[str, int | None, str, int], Rule] = {}
        self._peaks: dict[RequestBytes, int] = {}
        self._longest: dict[str, int] = {}

    @property
    def weights(self) -> Weights:
        """The weights that are counted beside the cache."""
        return next(iter(self._placings.values())).question.weights

    def counted(self, rule: Rule, row: TraceRow, sums: Sums) -> TraceRowOnGpus:
        """Add to a row the fewest GPUs that hold its peak, or those that there are if they do."""
        placing = self._placings[rule.engine, rule.cost.model.window]

        def enough(replica: Replica, copies: int) -> bool:
            return self._hold(rule, row, sums, replica, copies)

        gpus = placing.fewest(enough) if self._count is None else self._count
        replica = placing.on(gpus)
        fit = enough(replica.promised, gpus // replica.ranks)
        return TraceRowOnGpus(
            **asdict(row),
            gpu=self._card.name,
            gpus=gpus if fit else None,
            tensor_parallel_size=replica.parsed.tensor_parallel_size if fit else None,
        )

    def _hold(self, rule: Rule, row: TraceRow, sums: Sums, replica: Replica, copies: int) -> bool:
        """Whether this many copies hold what a rule sums."""
        if not replica.cache:
            return False
        if rule.of not in self._longest:
            self._longest[rule.of] = sums.longest(rule.of)
        longest = self._longest[rule.of]
        if not longest:
            return True
        if rule.request is None:
            return copies * replica.most_sequences(longest) >= row.peak_sequences
        key = (rule.engine, rule.cost.model.window, rule.name, replica.ranks)
        if key not in self._own:
            self._own[key] = on_a_gpu(rule, replica)
        own = self._own[key]
        assert own.request is not None
        room = replica.cache - own.fixed
        return own.request(longest) <= room and self._peak(own, sums) <= copies * room

    def _peak(self, rule: Rule, sums: Sums) -> int:
        """The peak of a sum, without the fixed part."""
        weight = request_bytes(rule, shared=sums.prefix)
        if weight not in self._peaks:
            self._peaks[weight] = sums.peak(weight)
        return self._peaks[weight]


def on_a_gpu(rule: Rule, replica: Replica) -> Rule:
    """The same sum on the ranks of a copy, in bytes on the fullest GPU."""
    same = rules(rule.cost.model, rule.cost.engine, dict(replica.settings))
    cost = next(one.cost for one in same if one.name == rule.name)
    one, two = (substituted(cost.per_gpu.expression, {"sequences": count}) for count in (1, 2))
    each = Formula(two - one, cost.per_gpu.variables)
    return Rule(rule.name, cost, each, cost.per_gpu(1) - each(1), rule.of)
