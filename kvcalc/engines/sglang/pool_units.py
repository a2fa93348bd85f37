"""What S requests of N tokens take of each pool, in the units that SGLang hands out."""

from collections.abc import Callable
from typing import NamedTuple

from kvcalc.costs import CONTEXT, SEQUENCES
from kvcalc.engines.sglang.buffers import FULL, REQUEST, SIDE, SLOT, WINDOW
from kvcalc.engines.sglang.layout import Layout
from kvcalc.engines.sglang.resolved import Resolved
from kvcalc.engines.sglang.window_pool import WindowPool
from kvcalc.formula.expression import Value, cdiv


class PoolUnits(NamedTuple):
    """How many units of each pool requests take: pages, slots of state, requests."""

    layout: Layout
    resolved: Resolved
    window_pool: WindowPool

    @property
    def pages(self) -> Value:
        """Pages of all of one request's tokens."""
        return cdiv(CONTEXT, self.resolved.page)

    def of_group(self, pool: str, sequences: Value) -> Value:
        """Units that that many requests of one attention group take."""
        if pool == WINDOW:
            assert self.layout.window is not None
            return self.window_pool.pages(self.pages, sequences, self.layout.window)
        return (self.pages if pool == FULL else self.of_request(pool)) * sequences

    def of_request(self, pool: str) -> int:
        """Slots of state, or requests, that one request counts for."""
        if pool == REQUEST:
            return 1
        return self.resolved.strategy.slots_a_request if self.resolved.strategy else 0

    def on_all(self, pool: str) -> Value:
        """Units that all requests take in all attention groups, dealt out evenly."""
        groups = self.resolved.groups
        if groups == 1 or pool != WINDOW:
            return self.of_group(pool, SEQUENCES)
        fewer = SEQUENCES // groups
        fuller = SEQUENCES - fewer * groups
        more, less = self.of_group(pool, fewer + 1), self.of_group(pool, fewer)
        return fuller * more + (groups - fuller) * less

    def on_fullest(self, pool: str) -> Value:
        """Units taken in the attention group with the most requests."""
        return self.of_group(pool, cdiv(SEQUENCES, self.resolved.groups))

    def total(self, bytes_of: Callable[[str], int], ranks: int, fullest: bool) -> Value:
        """Bytes on that many ranks, of layers that store `bytes_of` per unit of each pool."""
        units = self.on_fullest if fullest else self.on_all
        total: Value = 0
        for pool in (FULL, WINDOW):
            if size := bytes_of(pool) * ranks:
                total = total + units(pool) * size
        size = self.beside_pages(bytes_of) * ranks
        return total + units(REQUEST) * size if size else total

    def beside_pages(self, bytes_of: Callable[[str], int]) -> int:
        """Bytes of a request on one rank that its length does not change."""
        return sum(bytes_of(pool) * self.of_request(pool) for pool in (SLOT, SIDE, REQUEST))
