"""The most that any policy of eviction could hit, in one group that keeps all tokens.

Belady 1966, "A study of replacement algorithms for a virtual-storage computer": what is asked for
again the latest goes first. A block that hits was kept from its use before to this one, and while
another request runs, only so many are kept as it leaves room for. Who uses a block uses all before
it, no earlier: so a prompt's first blocks are kept as easily as as many others, and to keep the
most blocks is to hit the most.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from kvcalc.engines.vllm.prefix_cache.pace import Asked
from kvcalc.engines.vllm.prefix_cache.sizes import Order


class Use(NamedTuple):
    """A request's blocks: how many it holds, and those that later requests would find.

    `again` has each of those, by its place among the requests that run, and how many it finds.
    """

    holds: int
    again: list[tuple[int, int]]


def best_hits(block: int, asked: Sequence[Asked], usable: Iterable[int]) -> list[int]:
    """The most blocks of `block` tokens that hit in pools of so many, one request after another.

    A request that a pool does not hold is left out, as the engine does.
    """
    most = max((_holds(block, one) for one in asked), default=0)
    used: dict[int, list[Use]] = {}
    hits = []
    for size in usable:
        largest = min(size, most)
        if largest not in used:
            used[largest] = _uses(block, [one for one in asked if _holds(block, one) <= largest])
        hits.append(_most(used[largest], size))
    return hits


def _holds(block: int, asked: Asked) -> int:
    return -(-asked.stored // block)


def _uses(block: int, asked: Iterable[Asked]) -> list[Use]:
    """What requests would find of each other's blocks."""
    order = Order(block)
    found: list[Use] = []
    for now, one in enumerate(asked):
        found.append(Use(_holds(block, one), []))
        for before, blocks in _found(order, one, now):
            found[before].again.append((now, blocks))
    return found


def _found(order: Order, asked: Asked, now: int) -> Iterator[tuple[int, int]]:
    """The requests that used a prompt's blocks last, and how many each."""
    most = (asked.prompt - 1) // order.block
    start = 0
    for depth, last in order.use(asked, now + 1):
        end = min(depth, most)
        if end > start:
            yield last - 1, end - start
            start = end


def _most(used: Iterable[Use], usable: int) -> int:
    """Keep what fits beside each request; what is asked for again the latest goes first."""
    kept: dict[int, int] = {}
    latest: list[int] = []
    total = hits = 0
    for now, use in enumerate(used):
        found = kept.pop(now, 0)
        hits += found
        total -= found
        while (over := total + use.holds - usable) > 0:
            last = -latest[0]
            gone = min(over, kept[last])
            total -= gone
            kept[last] -= gone
            if not kept[last]:
                del kept[last]
                heappop(latest)
        for place, blocks in use.again:
            if place not in kept:
                heappush(latest, -place)
            kept[place] = kept.get(place, 0) + blocks
            total += blocks
    return hits
