"""What an engine does with a GPU's memory: its cache's budget, and what requests can use of it."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import ceil, floor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc.engines.memory_part import MemoryPart, PartRule
from kvcalc.errors import RequestError
from kvcalc.formula.expression import Value
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.engines.log_measured import FromLog
    from kvcalc.engines.releases import Standing
    from kvcalc.engines.weights import Loaded
    from kvcalc.parameters.stored import Stored
    from kvcalc.pools import Pool

ALL, ALL_ROUNDED_UP, FREE = "all", "all, rounded up", "free"
"""What an engine takes its share of: all of a card's memory, rounded down or up to whole bytes, or
what weights and reserve leave free of it."""

Bytes = int | tuple[int, ...]
"""Bytes on one GPU, or on one of each pipeline stage."""

Usable = Callable[[Model, Any, Any], int]
"""What requests can use, in bytes on the fullest GPU: of the model, the engine's settings, and the
budget, which is `Bytes` for an engine with stages."""

Parts = Callable[[Model, Any, "Card", "Free"], tuple[tuple[MemoryPart, ...], ...]]
"""What a start takes of a card beside weights and cache, part by part, of each pipeline stage: of
the model, the settings, the card and what the weights leave of it."""

AfterPool = Callable[["Pool"], tuple[MemoryPart, ...]]
"""What a start takes once its pool stands, of what the engine's share leaves outside."""


class Card(NamedTuple):
    """One GPU: its name, the memory to start from, what its driver reports, both in bytes.

    `least_memory` is the least that was seen to start from, where that is less.
    """

    name: str
    memory: int
    driver_memory: int
    notes: tuple[str, ...] = ()
    least_memory: int | None = None


class ModelCopy(NamedTuple):
    """What a copy of a model holds: `sequences` of `context` tokens each, and its weights.

    Those are so many bytes in all, `loaded` part by part where that is known, and `stored` tensors
    of a file where one is at hand.
    """

    context: int
    sequences: int
    weights: int
    loaded: "Loaded | None" = None
    stored: "tuple[Stored, ...]" = ()


InMainMemory = Callable[[Model, Any, ModelCopy], tuple[MemoryPart, ...]]
"""What a copy takes of the host's main memory: of the model, the settings and what it holds."""

Open = Mapping[str, Value]
"""Settings that are left open, each with what stands for it in arithmetic."""

LiveRules = Callable[
    [Model, Any, Card, Open, "tuple[Stored, ...]"], tuple[tuple[PartRule, ...], ...]
]
"""The parts on a rank of each stage: of the model, the settings, the card, what is left open, and
the tensors of the weights' file where one is at hand."""


class Live(NamedTuple):
    """How the parts follow settings that a planner changes, and else only the GPU's generation.

    `inputs` are these settings, each with what it is by itself; `at_once` is the one that is how
    many sequences run at once.
    """

    inputs: Mapping[str, Callable[[Any], int]]
    rules: LiveRules
    at_once: str | None = None


Share = Callable[[Card, Mapping[str, Any], Model | None], Fraction]
"""An engine's own share of a card's memory, by the settings and the model."""


class Free(NamedTuple):
    """Bytes of a card that its weights leave, and the share that the engine takes.

    `stored` are the tensors of the weights' file, where one is at hand.
    """

    bytes: int
    share: Fraction
    stored: "tuple[Stored, ...]" = ()


class Budget(NamedTuple):
    """Bytes on one GPU: for the cache, and held back.

    `cache` is below 0 where weights and reserve are too large; `share` is the fraction that was
    taken, None where an engine has none.
    """

    cache: int
    reserve: int
    share: Fraction | None


def whole_budget(model: Model, settings: Any, budget: Bytes) -> int:
    """Requests can use all that the cache gets, on the GPU where that is least."""
    return budget if isinstance(budget, int) else min(budget)


def whole_blocks(pool: "Callable[[Model, Any, Any, int], Pool]", held_back: int) -> Usable:
    """Requests can use a pool's blocks, but for those that the engine never hands out."""

    def usable(model: Model, settings: Any, budget: Bytes) -> int:
        figures = pool(model, settings, budget, model.max_context or 1).figures
        blocks: int = figures["num_gpu_blocks"] - held_back
        block: int = figures["bytes_per_block"]
        return blocks * block

    return usable


class Spread(NamedTuple):
    """How an engine spreads one copy of a model over cards.

    `setting` says over how many: `over` makes its value, None for one card that needs none, and
    `cards` reads it. `fullest` is the share of the weights on the fullest card, and `most` cards
    can share a copy. `words` name it to people, who need `note` beside its figures.
    """

    setting: str
    words: str
    over: Callable[[int], Any]
    cards: Callable[[Any], int]
    fullest: Callable[[Any], Fraction]
    most: int = 2**20
    note: str = ""


RANKS = Spread(
    setting="tensor_parallel_size",
    words="tensor parallel",
    over=lambda cards: cards,
    cards=lambda ranks: int(ranks or 1),
    fullest=lambda ranks: Fraction(1, int(ranks or 1)),
)
"""Every card holds a part of each layer."""


class Memory(NamedTuple):
    """How an engine makes its cache's budget, and what requests can use of it.

    The setting `share` is the part that it takes `of` the memory (None: it has no such setting,
    and takes all); `default` is its own value, or gives it from the card and the settings, unless
    `rule` names the rule of its releases that is.
    `source` and `reserve_source` say where the engine defines it, of the {version} that is asked
    for, and why nothing more is held back unasked. `held_back_blocks` are never handed out; with
    `several_pools` no one budget decides what fits, and the engine's own pools are asked. `spread`
    is how a copy of the model stands on several cards. `after_pool` comes out of what the share
    leaves outside, and `in_main_memory` of no card, of which `filled_in_use` says in a phrase, by
    the settings, what a server fills as it runs. `cap` is how many sequences run at once, and
    `levers` are values of settings with which the parts may be smaller, and
    `live` is how they follow settings.
    """

    source: str
    reserve_source: str
    share: str | None = None
    of: str = ALL_ROUNDED_UP
    default: Fraction | Share = Fraction(1)
    rule: str | None = None
    usable: Usable = whole_budget
    held_back_blocks: int = 0
    several_pools: bool = False
    spread: Spread = RANKS
    parts: Parts | None = None
    live: Live | None = None
    after_pool: AfterPool | None = None
    in_main_memory: InMainMemory | None = None
    filled_in_use: Callable[[Any], str] | None = None
    pool_setting: str | None = None
    cap: Callable[[Any, Card], int] | None = None
    levers: Mapping[str, Any] = MappingProxyType({})
    tested: str | None = None
    from_log: "Callable[[], FromLog] | None" = None

    def taken(
        self,
        given: object,
        card: Card,
        settings: Mapping[str, Any],
        standing: "Standing | None" = None,
        model: Model | None = None,
    ) -> Fraction:
        """The share that the engine takes: as given, else its own, of the release if one stands.

        Raises:
            RequestError: it is not a number above 0 and at most 1.
            UnsupportedError: the engine's own is not known.
        """
        if given is None and self.rule is not None and standing is not None:
            share: Fraction | Share = standing.rules[self.rule].value
            return share(card, settings, model) if callable(share) else share
        if given is None:
            return self.default(card, settings, model) if callable(self.default) else self.default
        return self.parsed(given)

    def parsed(self, given: object) -> Fraction:
        """Read a share that is given.

        Raises:
            RequestError: it is not a number above 0 and at most 1.
        """
        try:
            asked = Decimal(str(given))
        except InvalidOperation:
            asked = Decimal(0)
        # A comparison with nan raises, and a huge exponent makes a huge fraction.
        fine = asked.is_finite() and Decimal("1e-9") <= asked <= 1
        if not fine:
            raise RequestError.of(str(self.share), given, "a number above 0 and at most 1")
        return Fraction(asked.quantize(Decimal("1e-9")))

    def budget(self, card: Card, weights: int, reserve: int, taken: Fraction) -> Budget:
        """Make the budget: all in bytes of one GPU, `weights` and `reserve` those on it."""
        share = taken if self.share else None
        if self.of == FREE:
            free = card.memory - weights - reserve
            return Budget(floor(free * taken) if free > 0 else free, reserve, share)
        if self.of == ALL:
            reserve += card.memory - floor(card.memory * taken)
            return Budget(card.memory - weights - reserve, reserve, share)
        return Budget(ceil(card.memory * taken) - weights - reserve, reserve, share)
