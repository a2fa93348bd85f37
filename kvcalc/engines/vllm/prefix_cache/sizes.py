"""Many sizes of a pool at once, of one group that keeps all tokens.

A request's blocks are used last by it, whether they hit or are computed again: so the order of use
is one for all sizes, and a size is a place in it, before which all is gone (Mattson et al. 1970,
"Evaluation techniques for storage hierarchies"). Each request keeps, of those that it used last,
the deepest: what later prompts share with it is used by them.

What breaks the one order are second copies. A prompt of whole blocks that is there entirely has its
last block computed again, while the old copy stays in its place; a size knows its own.
"""

from collections.abc import Sequence

from kvcalc.engines.vllm.prefix_cache.pace import Asked

Block = tuple[int, int]
"""A chain, and a depth."""


class Order:
    """The order of use of the blocks of one group, `block` tokens each.

    `lows` and `ends` are the depths of the blocks that each request used last: all from one up to
    another.
    """

    def __init__(self, block: int) -> None:
        self.block = block
        self.lows, self.ends = [0], [0]  # stands before the first request, with no blocks
        self._stairs: dict[int, list[tuple[int, int]]] = {}

    def serve(self, asked: Asked, sizes: Sequence["Size"]) -> None:
        """Put a request through all sizes."""
        block = self.block
        whole = asked.stored // block
        most = (asked.prompt - 1) // block
        takes = -(-asked.stored // block)
        now = len(self.ends)
        path = [part for part in asked.paths[block] if part[1] < whole]
        steps = self.use(asked, now)
        for size in sizes:
            front, edge = size.front, size.edge
            there = 0
            for depth, last in steps:
                if last > front:
                    there = depth
                    continue
                if last == front:
                    there = max(there, min(depth, edge))
                break
            hit = min(there, most)
            size.hits.append(hit * block)
            if size.copies:
                size.move_copies(path, steps, hit, now)
            if there > most:
                size.copy(path, steps, most, min(there, whole), now)
            short = takes - hit - size.usable + size.named
            if short > 0:
                size.evict(self, short)
            size.named += whole - hit

    def use(self, asked: Asked, now: int) -> list[tuple[int, int]]:
        """Use a path; the depths up to which its blocks were used last by which request."""
        whole = asked.stored // self.block
        steps: list[tuple[int, int]] = []
        lows = self.lows
        for chain, start, end in asked.paths[self.block]:
            if start >= whole:
                break
            end = min(end, whole)
            stairs = self._stairs.setdefault(chain, [])
            while stairs:
                depth, last = stairs[-1]
                reached = min(depth, end)
                lows[last] = max(lows[last], reached)
                if steps and steps[-1][1] == last:
                    steps.pop()
                steps.append((reached, last))
                if depth <= end:
                    stairs.pop()
                if depth >= end:
                    break
            stairs.append((end, now))
        lows.append(0)
        self.ends.append(whole)
        return steps


class Size:
    """A pool of `usable` blocks: of what came before request `front` nothing is left.

    Of that one the blocks from the depth `edge` on are gone. `copies` are the blocks of which there
    are several, with the requests that used each last, in the order in which they were named;
    those but the last used lie at their requests' places, `lying`.
    """

    def __init__(self, usable: int) -> None:
        self.usable = usable
        self.front = self.edge = self.named = self.evicted = 0
        self.hits: list[int] = []
        self.copies: dict[Block, list[int]] = {}
        self.lying: dict[int, list[Block]] = {}

    def evict(self, order: Order, blocks: int) -> None:
        """Take the names of the blocks that were used the longest time ago, deepest first."""
        self.evicted += blocks
        self.named -= blocks
        front, edge = self.front, self.edge
        while True:
            there = edge - order.lows[front]
            if there >= blocks:
                edge -= blocks
                break
            if there > 0:
                edge -= there
                blocks -= there
            if front in self.lying:
                blocks = self._lose(front, blocks)
                if not blocks:
                    break
            front += 1
            edge = order.ends[front]
        self.front, self.edge = front, edge

    def _lose(self, request: int, blocks: int) -> int:
        """Take the names of copies that lie at a request's place; how many are still to go."""
        lying = self.lying[request]
        lying.sort(key=lambda block: block[1])
        while lying and blocks:
            block = lying.pop()
            copies = self.copies[block]
            copies.remove(request)
            if len(copies) == 1:
                del self.copies[block]
            blocks -= 1
        if not lying:
            del self.lying[request]
        return blocks

    def copy(
        self,
        path: Sequence[tuple[int, int, int]],
        steps: Sequence[tuple[int, int]],
        start: int,
        end: int,
        now: int,
    ) -> None:
        """Compute blocks again that are there: their old copies stay in their places."""
        for depth in range(start, end):
            block = next(chain for chain, _, upto in path if depth < upto), depth
            last = next(last for upto, last in steps if depth < upto)
            self.copies.setdefault(block, [last]).append(now)
            self.lying.setdefault(last, []).append(block)

    def move_copies(
        self,
        path: Sequence[tuple[int, int, int]],
        steps: Sequence[tuple[int, int]],
        hit: int,
        now: int,
    ) -> None:
        """Use the copies that were named first, of the blocks that hit."""
        spans = {chain: (lo, min(hi, hit)) for chain, lo, hi in path}
        for block, copies in self.copies.items():
            lo, hi = spans.get(block[0], (0, 0))
            if lo <= block[1] < hi:
                last = next(last for upto, last in steps if block[1] < upto)
                used, copies[0] = copies[0], now
                if used != last:
                    self.lying[used].remove(block)
                    self.lying.setdefault(last, []).append(block)
