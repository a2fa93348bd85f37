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
"""What an engine takes its share of: all of a card's memory, the share rounded down or up to whole
bytes; or what weights and reserve leave free."""

Bytes = int | tuple[int, ...]
"""Bytes on one GPU; or, of an engine with pipeline stages, on one GPU of each stage."""

Usable = Callable[[Model, Any, Any], int]
"""From the model, the engine's settings and the budget, which is `Bytes`, to the bytes that
requests can use on the fullest GPU."""

Parts = Callable[[Model, Any, "Card", "Free"], tuple[tuple[MemoryPart, ...], ...]]
"""From the model, the settings, the card and what the weights leave of it to the parts that a start
takes beside weights and cache, on a card of each pipeline stage."""

AfterPool = Callable[["Pool"], tuple[MemoryPart, ...]]
"""From the pool to the parts that a start takes after it, of what the engine's share leaves."""


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

    `weights` are bytes in all; `loaded` are the parts of them where these are known, and `stored`
    the tensors of their file, if there is one.
    """

    context: int
    sequences: int
    weights: int
    loaded: "Loaded | None" = None
    stored: "tuple[Stored, ...]" = ()


InMainMemory = Callable[[Model, Any, ModelCopy], tuple[MemoryPart, ...]]
"""From the model, the settings and what a copy holds to its parts in the host's main memory."""

Open = Mapping[str, Value]
"""Settings without a value yet, each with the variable or number that stands for it."""

LiveRules = Callable[
    [Model, Any, Card, Open, "tuple[Stored, ...]"], tuple[tuple[PartRule, ...], ...]
]
"""From the model, the settings, the card, the open settings and the tensors of the weights' file,
if there is one, to the parts on a rank of each stage."""


class Live(NamedTuple):
    """How the parts follow settings that a planner changes; beside them only the GPU's generation.

    `inputs` are these settings, each with its default; `at_once` names the one of them that is how
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
    """Let requests use all that the cache gets, on the GPU where that is least."""
    return budget if isinstance(budget, int) else min(budget)


def whole_blocks(pool: "Callable[[Model, Any, Any, int], Pool]", held_back: int) -> Usable:
    """Let requests use a pool's blocks, but for those that the engine never hands out."""

    def usable(model: Model, settings: Any, budget: Bytes) -> int:
        figures = pool(model, settings, budget, model.max_context or 1).figures
        blocks: int = figures["num_gpu_blocks"] - held_back
        block: int = figures["bytes_per_block"]
        return blocks * block

    return usable


class Spread(NamedTuple):
    """How an engine spreads one copy of a model over cards, at most over `most`.

    `setting` is the setting for it. `over` makes its value from the number of cards, None for one
    card that needs no value; `cards` reads that number back, and `fullest` is the share of the
    weights on the fullest card. `words` name it to people, and `note` is told beside its figures.
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
    """How an engine makes its cache's budget, and what requests can use of it."""

    source: str
    """Where the engine defines its share of the memory; {version} stands for the release."""

    reserve_source: str
    """Why the engine holds nothing more back unless it is asked to."""

    share: str | None = None
    """The setting that is the engine's share of the memory; None if it has none, and takes all."""

    of: str = ALL_ROUNDED_UP
    """What the share is taken of."""

    default: Fraction | Share = Fraction(1)
    """The share where none is given."""

    rule: str | None = None
    """The rule of the engine's releases that gives the default, where they differ."""

    usable: Usable = whole_budget
    """What requests can use of the budget."""

    held_back_blocks: int = 0
    """Blocks of the pool that are never handed out."""

    several_pools: bool = False
    """Whether no single budget decides what fits, so that the engine's own pools are asked."""

    spread: Spread = RANKS
    """How a copy of the model stands on several cards."""

    parts: Parts | None = None
    """What a start takes beside weights and cache."""

    live: Live | None = None
    """How these parts follow settings that a planner changes."""

    after_pool: AfterPool | None = None
    """What comes out of the memory that the share leaves outside."""

    in_main_memory: InMainMemory | None = None
    """What comes out of the host's memory, and of no card's."""

    filled_in_use: Callable[[Any], str] | None = None
    """Says in a phrase, by the settings, what a server fills of the host's memory as it runs."""

    pool_setting: str | None = None
    """The setting that gives the pool's bytes, in place of a share."""

    cap: Callable[[Any, Card], int] | None = None
    """How many sequences run at once, by the settings on a card; None where memory decides."""

    levers: Mapping[str, Any] = MappingProxyType({})
    """Values of settings with which the parts may be smaller."""

    tested: str | None = None
    """The newest release whose logs tested the parts."""

    from_log: "Callable[[], FromLog] | None" = None
    """How the parts are read from a start-up log; imported where it is asked for."""

    def taken(
        self,
        given: object,
        card: Card,
        settings: Mapping[str, Any],
        standing: "Standing | None" = None,
        model: Model | None = None,
    ) -> Fraction:
        """The share that the engine takes: the given one, else its own of the release.

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
