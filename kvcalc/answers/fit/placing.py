"""Copies of a model placed on GPUs: how many ranks each copy has."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

from kvcalc.answers.fit.question import Question
from kvcalc.answers.fit.replica import Replica
from kvcalc.answers.fit.started import BESIDE, product
from kvcalc.engines.memory import RANKS
from kvcalc.errors import KvcalcError, RequestError

MAX_GPUS = 1024
"""The most GPUs that are tried when solving for their number."""

MOST_GPUS = 10**7
"""The most GPUs that may be asked about: more than anybody has, yet few enough to find divisors."""


STAGES = "pipeline_parallel_size"
MORE_STAGES = (2, 4, 8)
"""The numbers of pipeline stages that are tried when more GPUs are needed."""


class Placing:
    """Copies of a model placed on GPUs, each copy on as many ranks as the engine accepts."""

    def __init__(self, question: Question) -> None:
        self.question = question
        values = _parsed(question)
        self._spread = spread = question.memory.spread
        given = question.settings.get(spread.setting) is not None
        self.fixed = spread.cards(values[spread.setting]) if given else None
        self.beside = product(values, BESIDE)
        self._attention_groups = values.get("attn_dp_size") or 1
        self._query_heads = {
            heads
            for layer, _ in question.model.groups
            for cache in layer.caches
            if (heads := getattr(cache, "query_heads", None))
        }
        self._made: dict[int, Replica | KvcalcError] = {}
        self._share_heads = cache(self._can_share_heads)

    def on(self, gpus: int) -> Replica:
        """Take the most ranks that the engine accepts and that divide the GPUs.

        Raises:
            KvcalcError: the GPUs cannot be divided that way, or the engine refuses the model.
        """
        if gpus > MOST_GPUS:
            raise RequestError.of("gpus", gpus, f"at most {MOST_GPUS:,}")
        if gpus % self.beside:
            raise RequestError.of(
                "gpus",
                gpus,
                f"a multiple of {self.beside}, the pipeline stages and context-parallel "
                "ranks of one copy",
            )
        places = gpus // self.beside
        if self.fixed is not None:
            made = self._replica(self.fixed)
            if isinstance(made, KvcalcError):
                raise made
            if gpus % made.ranks:
                raise RequestError.of(
                    self._spread.setting, self.fixed, f"a divisor of the {places} GPUs"
                )
            return made
        refused: KvcalcError | None = None
        for ranks in divisors(places):
            if ranks > self._spread.most or not self._share_heads(ranks):
                continue
            made = self._replica(ranks)
            if isinstance(made, Replica):
                return made
            refused = made
        raise refused or RequestError.of("gpus", gpus, "at least 1")

    def fewest(self, enough: Callable[[Replica, int], bool], most: int = MAX_GPUS) -> int:
        """Find the fewest GPUs whose copies are enough; if none are, the most that were tried.

        `enough` is called with a copy, in the room that can be promised, and the number of copies.

        Raises:
            KvcalcError: the engine refuses the model on any number of GPUs.
        """
        last, refused = None, None
        for gpus in range(self.beside, most + 1, self.beside):
            if self.fixed is not None and gpus % (self.beside * self.fixed):
                continue
            try:
                replica = self.on(gpus)
            except KvcalcError as error:
                refused = error
                continue
            last = gpus
            if enough(replica.promised, gpus // replica.ranks) or self._copies_never_do(replica):
                break
        if last is None:
            raise refused or RequestError.about("gpus", f"none of up to {most:,} can be divided so")
        return last

    def _copies_never_do(self, replica: Replica) -> bool:
        """Whether no number of copies is enough: each is on one card, and leaves no room on it."""
        return self._spread.most == 1 and not replica.cache

    def fewest_for(self, context: int, sequences: int, most: int = MAX_GPUS) -> int:
        """Find the fewest GPUs on which the sequences fit; if none, the most that were tried.

        Raises:
            KvcalcError: the engine refuses the model on any number of GPUs, up to the `most`.
        """
        return self.fewest(
            lambda replica, copies: copies * replica.most_sequences(context) >= sequences, most
        )

    def holds(self, gpus: int, context: int) -> int:
        """How many sequences of this context can be promised; 0 if the engine refuses the GPUs."""
        try:
            replica = self.on(gpus)
        except KvcalcError:
            return 0
        return gpus // replica.ranks * replica.promised.most_sequences(context)

    def in_more_stages(self) -> "Iterator[tuple[int, Placing]]":
        """The same in more pipeline stages, unless they are given or the engine has none."""
        asked = self.question
        if STAGES not in asked.engine.settings.model_fields or asked.settings.get(STAGES):
            return
        for stages in MORE_STAGES:
            with suppress(KvcalcError):
                yield stages, Placing(asked.with_settings(**{STAGES: stages}))

    def _can_share_heads(self, ranks: int) -> bool:
        """Whether ranks can share the query heads evenly, as every engine with ranks demands.

        vLLM 0.33.0, config/model.py (verify_with_parallel_config); SGLang 0.5.23, srt/models.
        """
        if self._spread.setting != RANKS.setting:
            return True
        each = max(1, ranks // self._attention_groups)
        return all(heads % each == 0 for heads in self._query_heads)

    def _replica(self, ranks: int) -> Replica | KvcalcError:
        if ranks not in self._made:
            try:
                self._made[ranks] = Replica.of(self.question, ranks)
            except KvcalcError as error:
                self._made[ranks] = error
        return self._made[ranks]


def _parsed(question: Question) -> dict[str, Any]:
    """The settings as the engine reads them, with the fewest ranks at which it accepts them.

    Raises:
        KvcalcError: the engine accepts them with no power of two of ranks.
    """
    refused: KvcalcError | None = None
    for power in range(11):
        try:
            spread = question.memory.spread
            given = {spread.setting: spread.over(2**power), **question.settings}
            return question.engine.settings(**given).model_dump()
        except KvcalcError as error:
            refused = refused or error
    assert refused is not None
    raise refused


@lru_cache(maxsize=MAX_GPUS)
def divisors(number: int) -> tuple[int, ...]:
    """The divisors of a number, largest first."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return tuple(sorted({*small, *(number // d for d in small)}, reverse=True))
