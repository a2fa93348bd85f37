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
        request = Served(asked.prompt, asked.stored, asked.paths, hit, pin)
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


def as_they_come(managers: Sequence[Manager], requests: Iterable[Asked]) -> list[Outcome]:
    """Let requests, by their times, hold their blocks while they run, in every pool.

    First come, first served. What ends at an instant ends before what comes at it. A prompt that
    finds no room in the middle is given back, and tried again at the next end.
    """
    paces = [_Pace(manager) for manager in managers]
    for number, asked in enumerate(requests):
        for pace in paces:
            pace.come(number, asked)
    return [pace.to_the_end() for pace in paces]


class _Pace:
    """The clock of one pool: what waits, and what runs until when."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.outcome = Outcome([], [])
        self.waiting: deque[tuple[int, Asked]] = deque()
        self.ends: list[tuple[int, int, Admitted]] = []

    def come(self, number: int, asked: Asked) -> None:
        while self.ends and self.ends[0][0] <= asked.start:
            self._end()
        self.outcome.hits.append(0)
        self.waiting.append((number, asked))
        self._admit(asked.start)

    def to_the_end(self) -> Outcome:
        while self.ends:
            self._end()
        return self.outcome

    def _end(self) -> None:
        now, _, admitted = heappop(self.ends)
        self.manager.end(admitted)
        self._admit(now)

    def _admit(self, now: int) -> None:
        while self.waiting:
            number, asked = self.waiting[0]
            started = _start(self.manager, asked)
            if started is None and self.ends:
                break
            self.waiting.popleft()
            if started is None:
                self.outcome.refused.append(number)
            else:
                self.outcome.hits[number] = started.hit
                heappush(self.ends, (now + asked.runs, number, started))


def _start(manager: Manager, asked: Asked) -> Admitted | None:
    admitted = manager.admit(asked.prompt, asked.paths, partial(life_of, manager, asked))
    if admitted is None:
        return None
    batches = manager.run(admitted)
    if batches is None:
        return admitted
    request = Served(asked.prompt, asked.stored, asked.paths, admitted.hit, admitted.pin)
    manager.end(admitted._replace(life=life(manager.rules, request, batches)))
    return None
