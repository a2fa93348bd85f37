"""The sweep over a trace in plain integers, one request at a time: what the statement must give."""

import heapq
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple


class Request(NamedTuple):
    """A request: its start and end in microseconds, and its tokens."""

    t0: int
    t1: int
    prompt: int
    output: int


class Swept(NamedTuple):
    """What a sweep comes to: bytes, and microseconds from the first start."""

    peak: int
    peak_at: int
    sequences: int
    p50: int
    p95: int
    p99: int
    mean: int


def ceiling(amount: Fraction) -> int:
    return -(-amount.numerator // amount.denominator)


def lives(
    rows: Sequence[tuple[int, int, int]], prefill: Fraction, decode: Fraction
) -> list[Request]:
    """Give requests (start in nanoseconds, prompt, output) the lives of a service model."""
    first = min(start for start, _, _ in rows)
    found = []
    for start, prompt, output in rows:
        life = ceiling((prompt / prefill + output / decode) * 10**9)
        t0 = (start - first) // 1000
        found.append(Request(t0, -(-(start - first + life) // 1000), prompt, output))
    return found


def sweep(
    requests: Sequence[Request],
    size: Callable[[Request], int],
    first: int | None = None,
    last: int | None = None,
) -> Swept:
    """Add each request at its start, take it away at its end, and look at every instant.

    Of a trimmed trace only the time from `first` to `last`, and what lives in it.
    """
    living = [one for one in requests if one.t1 > one.t0]
    start = max(min((one.t0 for one in living), default=0), first or 0)
    end = max((one.t1 for one in living), default=0)
    end = end if last is None else min(end, last)
    changes: dict[int, list[int]] = {}
    for request in living:
        begins, ends = max(request.t0, start), min(request.t1, end)
        if begins < ends:
            own = size(request)
            for instant, sign in ((begins, 1), (ends, -1)):
                change = changes.setdefault(instant, [0, 0])
                change[0] += sign * own
                change[1] += sign
    if not changes:
        return Swept(0, 0, 0, 0, 0, 0, 0)
    instants = sorted(changes)
    level = alive = 0
    levels = [(0, start, 0, instants[0] - start)] if instants[0] > start else []
    for instant, following in zip(instants, [*instants[1:], end], strict=True):
        level += changes[instant][0]
        alive += changes[instant][1]
        levels.append((level, instant, alive, following - instant))
    peak, at, sequences, _ = max(levels, key=lambda one: (one[0], -one[1]))
    whole = end - start
    held = sorted((level, time) for level, _, _, time in levels)

    def percentile(percent: int) -> int:
        reached = 0
        for level, time in held:
            reached += time
            if reached >= -(-whole * percent // 100):
                return level
        raise AssertionError

    total = sum(level * time for level, _, _, time in levels)
    return Swept(
        peak, at, sequences, percentile(50), percentile(95), percentile(99), total // whole
    )


def admission(
    requests: Sequence[Request], size: Callable[[Request], int], memory: int
) -> tuple[list[int], int]:
    """Admit in order, nobody overtaking; the waits of those that waited, and the too large."""
    live: list[tuple[int, int]] = []
    waits, too_large, clock = [], 0, 0
    for request in sorted(requests):
        own = size(request) if request.t1 > request.t0 else 0
        if own > memory:
            too_large += 1
            continue
        clock = max(clock, request.t0)
        while True:
            live = [one for one in live if one[0] > clock]
            if sum(one[1] for one in live) + own <= memory:
                break
            clock = min(one[0] for one in live)
        if clock > request.t0:
            waits.append(clock - request.t0)
        if request.t1 > request.t0:
            heapq.heappush(live, (request.t1 + clock - request.t0, own))
    return waits, too_large
