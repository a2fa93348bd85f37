"""One copy of a model on the GPUs that share it: what its cache may take, and what fits there."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from kvcalc.answers.fit.question import Question
from kvcalc.answers.fit.room import WEIGHTS, Room, largest_first
from kvcalc.answers.fit.started import started
from kvcalc.costs import Cost
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.engines.memory import Budget, ModelCopy
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.engines.weights import Loaded
from kvcalc.errors import KvcalcError, TooLittleMemoryError
from kvcalc.formula.inverse import UNBOUNDED, largest, periods_of
from kvcalc.pools import Pool
from kvcalc.records import Record

BOUND = "max_num_seqs"
"""The setting, also a figure of the pool, that is bounded where states stand beside attention."""


class Replica(Record):
    """A copy of a model on `ranks` GPUs; `rooms` are a GPU's of each pipeline stage.

    `parsed` are the settings as the engine reads them, `taken` its share of the memory. Figures are
    the likely ones, of a `promise` those that its start leaves at the least. `loaded` is what it
    loads on a GPU part by part, None where the weights' even share stands for it.
    """

    question: Question
    settings: Mapping[str, Any]
    parsed: Settings
    cost: Cost
    ranks: int
    taken: Fraction
    rooms: tuple[Room, ...]
    promise: bool = False
    loaded: Loaded | None = None

    @classmethod
    def of(cls, question: Question, cards: int) -> "Replica":
        """Spread one copy of the model over this many cards, times its pipeline stages.

        Where the engine runs no more sequences than its pool has blocks, and is not told how many,
        it is told as many.

        Raises:
            KvcalcError: the engine refuses the model, a setting or the cards.
        """
        found = cls._of(question, cards)
        bound, own = found.bound, found.parsed
        if bound is None or getattr(own, BOUND) is not None or found.cap in (None, bound):
            return found
        return cls._of(question.with_settings(**{BOUND: bound}), cards)

    @classmethod
    def _of(cls, question: Question, cards: int) -> "Replica":
        start = started(question, cards)
        cost = request.cost_of(question.model, question.engine, start.parsed)
        return cls(
            question=question,
            settings=start.settings,
            parsed=start.parsed,
            cost=cost,
            ranks=start.gpus,
            taken=start.taken,
            rooms=start.rooms,
            loaded=start.loaded,
        )

    @cached_property
    def promised(self) -> "Replica":
        """The same copy in the room that can be promised."""
        same = all(room.likely == room.promised for room in self.rooms)
        return self if same or self.promise else replace(self, promise=True)

    @property
    def caches(self) -> tuple[int, ...]:
        """Bytes for the cache on a GPU of each stage; below 0 where nothing is left."""
        return tuple(room.promised if self.promise else room.likely for room in self.rooms)

    @property
    def room(self) -> Room:
        """The room of the stage with the least for its cache."""
        return self.rooms[self.caches.index(min(self.caches))]

    @property
    def weighed(self) -> tuple[MemoryPart, ...]:
        """The weights on a GPU of each stage."""
        return tuple(part for room in self.rooms for part in room.parts if part.name == WEIGHTS)

    @property
    def weights(self) -> int:
        """Bytes of weights on a GPU of the fullest stage."""
        return max(part.bytes for part in self.weighed)

    @property
    def budget(self) -> Budget:
        """What the cache gets on a GPU, what is held back, and the engine's share."""
        share = self.taken if self.question.memory.share else None
        return Budget(min(self.caches), self.room.reserve, share)

    @property
    def bound(self) -> int | None:
        """The most sequences for which the engine starts with its pool; None without a bound."""
        if BOUND not in type(self.parsed).model_fields or self.budget.cache <= 0:
            return None
        from kvcalc.layers.recurrent import Recurrent

        if not self.question.model.caches_of(Recurrent):  # only states bound them
            return None
        try:
            figures = self.pool(1).figures
        except TooLittleMemoryError:
            return None
        most: int | None = figures[BOUND]
        return None if most is None or self.cap is None else max(1, min(most, self.cap))

    @property
    def cap(self) -> int | None:
        """How many sequences the engine runs at once; None where its memory alone decides."""
        cap = self.question.memory.cap
        return None if cap is None else cap(self.parsed, self.question.card)

    @property
    def cards(self) -> int:
        """The cards that the engine spreads a stage of the copy over."""
        spread = self.question.memory.spread
        return spread.cards(getattr(self.parsed, spread.setting))

    def pool(self, context: int) -> Pool:
        """The pool that the engine makes of its budget.

        Raises:
            KvcalcError: the engine refuses so small a memory.
        """
        cut = self.question.engine.pool
        assert cut is not None
        return cut(self.question.model, self.parsed, self._memory, context)

    @property
    def _memory(self) -> Any:
        """What the cache gets, as an engine takes it: one figure, or one for each stage."""
        return self.caches[0] if len(self.caches) == 1 else self.caches

    def parts(self, context: int) -> tuple[MemoryPart, ...]:
        """What takes a GPU's memory beside its cache; also what is allocated after the pool."""
        room, after = self.room, self._after(context)
        if room.outside is None or not after:
            return room.parts
        left = room.outside.bytes - sum(part.bytes for part in after)
        rest = replace(room.outside, bytes=left, low=left, high=left)
        return largest_first(
            (*(rest if part is room.outside else part for part in room.parts), *after)
        )

    def _after(self, context: int) -> tuple[MemoryPart, ...]:
        """What the engine allocates after its pool, from the memory that its share leaves."""
        asked = self.question
        if asked.memory.after_pool is None or asked.reserve is not None or self.budget.cache <= 0:
            return ()
        try:
            return asked.memory.after_pool(self.pool(context))
        except TooLittleMemoryError:
            return ()

    def missing_after(self, context: int) -> int:
        """Bytes missing outside of the pool for what is allocated after it; 0 if it fits."""
        outside = self.room.outside.bytes if self.room.outside else 0
        return max(0, sum(part.high for part in self._after(context)) - outside)

    def in_main_memory(self, context: int, sequences: int) -> tuple[MemoryPart, ...]:
        """What the copy's process holds in the host's main memory, the largest first."""
        asked = self.question
        if asked.memory.in_main_memory is None:
            return ()
        weights = asked.weights
        copy = ModelCopy(context, sequences, weights.bytes, self.loaded, weights.tensors)
        return largest_first(asked.memory.in_main_memory(asked.model, self.parsed, copy))

    def note(self, context: int) -> str:
        """What the engine's own pool says beside its figures; "" where it has none."""
        if self.question.engine.pool is None or self.budget.cache <= 0:
            return ""
        try:
            return self.pool(context).note
        except TooLittleMemoryError:
            return ""

    @cached_property
    def cache(self) -> int:
        """Bytes on one GPU that requests can use; 0 if the engine would not start."""
        if self.budget.cache <= 0:
            return 0
        asked = self.question
        try:
            return max(0, asked.memory.usable(asked.model, self.parsed, self._memory))
        except TooLittleMemoryError:
            return 0

    @cached_property
    def periods(self) -> tuple[int, ...]:
        """The periods in tokens after which the cost may fall although the context grows."""
        return periods_of(self.cost.peak_per_gpu)

    def need(self, context: int, sequences: int) -> int:
        """Bytes that the sequences take on the fullest GPU, at the peak on the way to the context.

        All may be there at once: mlx_lm.server reads the prompts of a batch together.
        """
        size: int = self.cost.peak_per_gpu(context, sequences=sequences)
        return size

    def most_sequences(self, context: int) -> int:
        """How many sequences of this context fit, and the engine runs."""
        held = self._held(context)
        return held if self.cap is None else min(self.cap, held)

    def _held(self, context: int) -> int:
        if self.budget.cache <= 0:
            return 0
        if self.question.memory.several_pools:
            return self._in_pools(context)
        one = self.need(context, 1)
        if one > self.cache:
            return 0
        if not isinstance(self.cost.split, str):
            each = self.need(context, 2) - one
            return 1 + (self.cache - one) // each if each else UNBOUNDED
        return largest(lambda amount: self.runs(context, amount))

    def _in_pools(self, context: int) -> int:
        """How many sequences the engine's own pools hold; 0 if it would not start."""
        if context not in self._known:
            try:
                starts = not self.missing_after(context)
                self._known[context] = self.pool(context).max_sequences if starts else 0
            except TooLittleMemoryError:
                self._known[context] = 0
        return self._known[context]

    @cached_property
    def _known(self) -> dict[int, int]:
        """How many sequences the pools hold, by the contexts that were asked about before."""
        return {}

    def runs(self, context: int, sequences: int, cache: int | None = None) -> bool:
        """Whether the sequences fit a cache, this one's unless given, and the engine runs them."""
        try:
            return self.need(context, sequences) <= (self.cache if cache is None else cache)
        except KvcalcError:  # more sequences, or longer ones, than the engine runs
            return False

    def needs_more(self, context: int, sequences: int) -> bool:
        """Whether one sequence more would not fit, rather than not be run by the engine."""
        if self.cap is not None and sequences >= self.cap:
            return False
        if self.question.memory.several_pools:  # one of them is too small
            return True
        try:
            return self.need(context, sequences + 1) > self.cache
        except KvcalcError:
            return False

    def longest_context(self, sequences: int, asked: int = 0) -> int:
        """How many tokens each of these sequences can have.

        They are at most the model's maximum, or what is `asked` for past it.

        Raises:
            RequestError: the engine does not run that many, however short they are.
        """
        if self.budget.cache <= 0:
            return 0
        most = max(asked, self.question.model.max_context or UNBOUNDED)
        self.need(1, sequences)
        several = self.question.memory.several_pools
        cache = self.budget.cache if several else self.cache
        found = largest(lambda tokens: self.runs(tokens, sequences, cache), most, self.periods)
        if not several or self._is_longest(found, sequences, most):
            return found
        return largest(lambda tokens: self._in_pools(tokens) >= sequences, most)

    def _is_longest(self, context: int, sequences: int, most: int) -> bool:
        """Whether this context, and none longer, fits the engine's own pools."""
        if context and self._in_pools(context) < sequences:
            return False
        return context == most or self._in_pools(context + 1) < sequences
