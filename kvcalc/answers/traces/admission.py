"""Admission: first come, first served, into a memory; who waits, and how long."""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(frozen=True)
class Admission:
    """Requests that waited and how long, in microseconds; those larger than the memory apart.

    The n-th that waited came at `starts[n]`, from the first start, and waited for `waits[n]`.
    """

    memory: int
    admitted: int
    waited: int
    too_large: int
    mean_wait: int
    p95_wait: int
    longest_wait: int
    starts: "array[int]"
    waits: "array[int]"


def admit(
    requests: Iterable[tuple[int, int, int]], request_bytes: Callable[[int], int], memory: int
) -> Admission:
    """Admit requests (start, end, tokens), ordered by their starts, each when its bytes fit.

    A request that waits moves its end by its wait, and nobody overtakes it. One that is larger
    than the memory is counted and never queued.
    """
    ends: list[tuple[int, int]] = []
    used = clock = admitted = too_large = 0
    starts, waits = array("q"), array("q")
    for start, end, tokens in requests:
        size = request_bytes(tokens) if end > start else 0
        if size > memory:
            too_large += 1
            continue
        clock = max(clock, start)
        while ends and ends[0][0] <= clock:
            used -= heappop(ends)[1]
        while used + size > memory:
            clock, freed = heappop(ends)
            used -= freed
        admitted += 1
        if clock > start:
            starts.append(start)
            waits.append(clock - start)
        if size:
            used += size
            heappush(ends, (end + clock - start, size))
    ordered = sorted(waits)
    return Admission(
        memory=memory,
        admitted=admitted,
        waited=len(ordered),
        too_large=too_large,
        mean_wait=sum(ordered) // len(ordered) if ordered else 0,
        p95_wait=ordered[-(-95 * len(ordered) // 100) - 1] if ordered else 0,
        longest_wait=ordered[-1] if ordered else 0,
        starts=starts,
        waits=waits,
    )
