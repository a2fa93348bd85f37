"""The pool of one size while requests come and go: what is free, and in which order names go.

vLLM 0.33.0, v1/core/block_pool.py (get_new_blocks, free_blocks, touch) and v1/core/
kv_cache_manager.py (allocate_slots). Blocks without a name lie at the front of the free ones; the
named ones lie behind them in the order in which they were given back. A run that is used again
is left in that order and skipped when its turn comes.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from kvcalc.engines.chains import Path
from kvcalc.engines.vllm.prefix_cache.groups import Rules
from kvcalc.engines.vllm.prefix_cache.life import Left, Life
from kvcalc.engines.vllm.prefix_cache.lookup import Paths, look_up
from kvcalc.engines.vllm.prefix_cache.named import Named


class Run(NamedTuple):
    """Named blocks in the order in which they lose their names: of one group deepest first.

    Of several groups, or `striped`, one of each in turn, from the first depth on. `freed` is when
    they were given back.
    """

    groups: tuple[int, ...]
    chain: int
    lo: int
    hi: int
    freed: int
    striped: bool = False


class HeldBlocks(NamedTuple):
    """Blocks of a chain that a request found and uses, all of one naming."""

    lo: int
    hi: int
    named: int


class Admitted(NamedTuple):
    """A request that runs: the tokens that hit, its life, and what it found.

    `named` tells the copies of blocks that it names; what it found is by group and chain.
    """

    hit: int
    pin: int
    life: Life
    named: int
    found: dict[tuple[int, int], list[HeldBlocks]]


Lives = Callable[[int, int], Life]
"""The life of a request by its hit and pin."""


class Manager:
    """A pool of `usable` blocks, the null block apart.

    `evicted` counts the blocks of each group that lost their names, `peak` is the most in use at
    once. `log` is told each run that loses its name, if given.
    """

    def __init__(
        self, rules: Rules, usable: int, log: Callable[[Run], object] | None = None
    ) -> None:
        self.rules = rules
        self.usable = usable
        self.log = log
        self.unnamed = self.free = usable
        self.evicted = [0] * len(rules.kind_of)
        self.peak = 0
        self.pinned = 0
        self.groups = [Named() for _ in rules.kind_of]
        self.queue: deque[Run] = deque()
        self._now = 0

    def admit(
        self, prompt: int, paths: Paths, lives: Lives, *, to_its_end: bool = False
    ) -> Admitted | None:
        """Look a prompt up and use what is found; None, and nothing changed, without room.

        The engine asks for room for the prompt; `to_its_end` for all that it will hold.
        """
        hit, most = look_up(self.rules, self.groups, paths, prompt)
        pin = most if most > hit else 0
        life = lives(hit, pin)
        if (to_its_end and life.peak > self.usable) or (
            life.lacks + life.found > self.free and life.lacks + self._free_of(life) > self.free
        ):
            return None
        self.pinned += pin > 0
        self._now += 1
        return Admitted(hit, pin, life, self._now, self._use(life))

    def _free_of(self, life: Life) -> int:
        """How many of the blocks that a request finds no other uses."""
        return sum(
            min(piece.hi, hi) - max(piece.lo, lo)
            for group, parts in enumerate(life.used)
            for chain, lo, hi in parts
            for piece in self.groups[group].found[chain]
            if not piece.users and piece.lo < hi and piece.hi > lo
        )

    def _use(self, life: Life) -> dict[tuple[int, int], list[HeldBlocks]]:
        found = {}
        for group, parts in enumerate(life.used):
            for chain, lo, hi in parts:
                used = self.groups[group].use(chain, lo, hi)
                self.free -= sum(piece.hi - piece.lo for piece in used if piece.users == 1)
                found[group, chain] = [
                    HeldBlocks(piece.lo, piece.hi, piece.named) for piece in used
                ]
        return found

    def run(self, admitted: Admitted) -> int | None:
        """Take a request's steps; the number of those taken before one that finds no room."""
        self._now += 1
        for place, step in enumerate(admitted.life.steps):
            for left in step.left:
                self._leave(admitted, left)
            self.free += step.unnamed
            if step.takes > self.free:
                self.unnamed += step.unnamed
                return place
            for groups, parts in step.named:
                for group in groups:
                    for chain, lo, hi in parts:
                        self.groups[group].name(chain, lo, hi, admitted.named)
            short = max(0, step.most - self.unnamed)
            self.unnamed += short + step.unnamed - step.takes
            self.free -= step.takes
            if short:
                self._evict(short)
            self.peak = max(self.peak, self.usable - self.free + step.above)
        return None

    def _leave(self, admitted: Admitted, left: Left) -> None:
        """Give named blocks back, to the back of the free ones."""
        if not left.striped:
            for group in left.groups:
                self._back(admitted, group, left.parts)
            return
        freed = [
            [
                (chain, *span)
                for chain, lo, hi in left.parts
                for span in reversed(self._freed(admitted, group, chain, lo, hi))
            ]
            for group in left.groups
        ]
        if all(one == freed[0] for one in freed):
            self.queue += [Run(left.groups, *part, self._now, True) for part in freed[0]]
            return
        self.queue += [
            Run((group,), chain, place, place + 1, self._now)
            for place, group, chain in sorted(
                (place, group, chain)
                for group, spans in zip(left.groups, freed, strict=True)
                for chain, lo, hi in spans
                for place in range(lo, hi)
            )
        ]

    def _back(self, admitted: Admitted, group: int, parts: Path) -> None:
        """Give named blocks of one group back, deepest first."""
        groups = (group,)
        for chain, start, end in parts:
            for lo, hi in self._freed(admitted, group, chain, start, end):
                self.queue.append(Run(groups, chain, lo, hi, self._now))

    def _freed(
        self, admitted: Admitted, group: int, chain: int, lo: int, hi: int
    ) -> list[tuple[int, int]]:
        """Give named blocks of a chain back; those whose last user left, deepest first."""
        named, now = self.groups[group], self._now
        spans: list[tuple[int, int]] = []
        at = hi
        for start, end, by in reversed(admitted.found.get((group, chain), ())):
            if start < at and end > lo:
                start, end = max(start, lo), min(end, at)
                if end < at:
                    spans += named.leave(chain, end, at, admitted.named, now)
                spans += named.leave(chain, start, end, by, now)
                at = start
        if lo < at:
            spans += named.leave(chain, lo, at, admitted.named, now)
        for start, end in spans:
            self.free += end - start
        return named.joined(chain, spans) if len(spans) > 1 else spans

    def end(self, admitted: Admitted) -> None:
        """Give all that a request still holds back: group by group, its last blocks first."""
        self._now += 1
        for group, parts in enumerate(admitted.life.kept):
            self._back(admitted, group, parts)
        self.unnamed += admitted.life.unnamed
        self.free += admitted.life.unnamed

    def _evict(self, blocks: int) -> None:
        """Take blocks from the front of the named ones."""
        while blocks:
            run = self.queue.popleft()
            blocks -= self._striped(run, blocks) if run.striped else self._deepest(run, blocks)

    def _deepest(self, run: Run, blocks: int) -> int:
        """Evict from one group's run, deepest first; the rest goes back to the front."""
        (group,) = run.groups
        taken = 0
        for lo, hi in self.groups[group].free(run.chain, run.lo, run.hi, run.freed):
            if taken == blocks:
                self.queue.appendleft(run._replace(hi=hi))
                return taken
            start = max(lo, hi - (blocks - taken))
            self._lose(run, start, hi)
            taken += hi - start
            if start > lo:
                self.queue.appendleft(run._replace(hi=start))
                return taken
        return taken

    def _striped(self, run: Run, blocks: int) -> int:
        """Evict from groups in turn, while all have the same; else the run falls apart."""
        groups = len(run.groups)
        spans = [self.groups[g].free(run.chain, run.lo, run.hi, run.freed) for g in run.groups]
        if any(one != spans[0] for one in spans):
            singles = [
                Run((group,), run.chain, place, place + 1, run.freed)
                for place in range(run.lo, run.hi)
                for group in run.groups
            ]
            self.queue.extendleft(reversed(singles))
            return 0
        taken = 0
        for lo, hi in reversed(spans[0]):
            rows, rest = divmod(blocks - taken, groups)
            end = min(hi, lo + rows)
            if lo < end:
                self._lose(run, lo, end)
                taken += (end - lo) * groups
            if end < hi:
                self.queue.appendleft(run._replace(lo=end))
                if rest:
                    # A row that is cut goes on as runs of one group each.
                    self.queue[0] = run._replace(lo=end + 1)
                    row = [Run((g,), run.chain, end, end + 1, run.freed) for g in run.groups]
                    self.queue.extendleft(reversed(row))
                return taken
        return taken

    def _lose(self, run: Run, lo: int, hi: int) -> None:
        for group in run.groups:
            self.groups[group].evict(run.chain, lo, hi, run.freed)
            self.evicted[group] += hi - lo
        if self.log is not None:
            whole = lo == run.lo and hi == run.hi
            self.log(run if whole else run._replace(lo=lo, hi=hi))
