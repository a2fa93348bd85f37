"""Which request runs when: one after another, or each for its life under a service model."""

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import NamedTuple

from kvcalc.engines.vllm.prefix_cache.life import Life, Served, life
from kvcalc.engines.vllm.prefix_cache.lookup import Paths
from kvcalc.engines.vllm.prefix_cache.manager import Admitted, Manager


class Asked(NamedTuple):
    """A request: its tokens and paths, and for a service model when it comes and how long it runs.

    Times are microseconds; `stored` are prompt and output less the last token, which no later step
    reads. `lives` are those worked out so far, by hit and pin.
    """

    prompt: int
    stored: int
    paths: Paths
    start: int
    runs: int
    lives: dict[tuple[int, int], Life]


class Outcome(NamedTuple):
    """The tokens that hit of each request, and those that found no room."""

    hits: list[int]
    refused: list[int]


def life_of(manager: Manager, asked: Asked, hit: int, pin: int) -> Life:
    """The life of a request after a hit; it does not depend on the pool's size."""
    found = asked.lives.get((hit, pin))
    if found is None:
        request = Served(asked.prompt, asked.stored, hit, pin)
        found = asked.lives[hit, pin] = life(manager.rules, request)
    return found


def one_after_another(managers: Sequence[Manager], requests: Iterable[Asked]) -> list[Outcome]:
    """Serve each request to its end before the next, in every pool; what cannot run is left out."""
    outcomes = [Outcome([], []) for _ in managers]
    for number, asked in enumerate(requests):
        for manager, outcome in zip(managers, outcomes, strict=True):
            lives = partial(life_of, manager, asked)
            admitted = manager.admit(asked.prompt, asked.paths, lives, to_its_end=True)
            if admitted is None:
                outcome.refused.append(number)
                outcome.hits.append(0)
                continue
            manager.run(admitted)
            manager.end(admitted)
            outcome.hits.append(admitted.hit)
    return outcomes


def as_they_come(manager: Manager, requests: Sequence[Asked]) -> Outcome:
    """Let requests hold their blocks while they run; first come, first served, by their times.

    What ends at an instant ends before what comes at it. A prompt that finds no room in the middle
    is given back, and tried again at the next end.
    """
    outcome = Outcome([0] * len(requests), [])
    waiting: deque[int] = deque()
    ends: list[tuple[int, int, Admitted]] = []
    coming = deque(sorted(range(len(requests)), key=lambda number: requests[number].start))
    while coming or ends:
        if ends and not (coming and requests[coming[0]].start < ends[0][0]):
            now, _, admitted = heappop(ends)
            manager.end(admitted)
        else:
            waiting.append(coming.popleft())
            now = requests[waiting[-1]].start
        while waiting:
            number = waiting[0]
            started = _start(manager, requests[number])
            if started is None and ends:
                break
            waiting.popleft()
            if started is None:
                outcome.refused.append(number)
            else:
                outcome.hits[number] = started.hit
                heappush(ends, (now + requests[number].runs, number, started))
    return outcome


def _start(manager: Manager, asked: Asked) -> Admitted | None:
    admitted = manager.admit(asked.prompt, asked.paths, partial(life_of, manager, asked))
    if admitted is None:
        return None
    batches = manager.run(admitted)
    if batches is None:
        return admitted
    request = Served(asked.prompt, asked.stored, admitted.hit, admitted.pin)
    manager.end(admitted._replace(life=life(manager.rules, request, batches)))
    return None
