"""Admission: first come, first served, into a memory; who waits, and how long."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from kvcalc.answers.traces.rules import Rule
from kvcalc.errors import RequestError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Admission:
    """Requests that waited, how long in microseconds, and how many exceed the memory.

    The n-th request that waited came at `starts[n]`, from the first start, and waited `waits[n]`.
    """

    memory: int
    admitted: int
    waited: int
    too_large: int
    mean_wait: int
    p95_wait: int
    longest_wait: int
    starts: Sequence[int]
    waits: Sequence[int]


def admit(
    requests: Iterable[tuple[int, int, int]], request_bytes: Callable[[int], int], memory: int
) -> Admission:
    """Admit requests (start, end, tokens), ordered by their starts, each when its bytes fit.

    A request that waits ends later by its wait, and no other overtakes it. One that is larger than
    the memory is counted and never queued.
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


def admitted(base: "DuckDBPyConnection", rule: Rule, memory: int) -> Admission:
    """Admit the requests of a loaded trace into a memory, by a rule.

    Raises:
        RequestError: the rule is a pool, or the memory is not a positive int.
    """
    if rule.request is None:
        raise RequestError.about(
            "memory", "requests are admitted by a sum, and this engine's cache is a pool"
        )
    if type(memory) is not int or memory < 1:
        raise RequestError.of("memory", memory, "a positive int of bytes")
    request = rule.request
    of = rule.of

    @lru_cache(maxsize=2**16)
    def size(tokens: int) -> int:
        return request(tokens) if tokens else 0

    cursor = base.execute(f"SELECT t0, t1, {of} FROM trace ORDER BY t0, t1")

    def ordered() -> Iterable[tuple[int, int, int]]:
        while batch := cursor.fetchmany(65_536):
            yield from batch

    return admit(ordered(), size, max(0, memory - rule.fixed))
