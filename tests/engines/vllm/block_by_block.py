"""vLLM's prefix cache with a block at a time: the rules as they stand, to hold the faster ones to.

It equals vLLM in every recorded case, and is slow: tests draw small traces for it.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush

from kvcalc.engines.replay import Request
from kvcalc.engines.vllm.prefix_cache.groups import Kind, Rules

Key = tuple[int, int]
"""A block's group, and the number of all tokens up to its end."""


class Blocks:
    """A pool of so many blocks, the null block among them."""

    def __init__(self, rules: Rules, blocks: int) -> None:
        self.rules, self.usable = rules, blocks - 1
        self.known: dict[tuple[int, tuple[int, ...]], int] = {}
        self.free: OrderedDict[int, None] = OrderedDict.fromkeys(range(1, blocks))
        self.names: dict[int, Key] = {}
        self.users = [0] * blocks
        self.cached: defaultdict[Key, list[int]] = defaultdict(list)
        self.evicted: list[Key] = []
        self.peak = 0

    def number(self, request: Request) -> list[int]:
        runs = (*request.prompt, *request.output)
        tokens = [first + place for first, count in runs for place in range(count)]
        unit, before, numbers = self.rules.unit, -1, []
        for end in range(unit, len(tokens) + 1, unit):
            block = before, tuple(tokens[end - unit : end])
            before = self.known.setdefault(block, len(self.known))
            numbers.append(before)
        return numbers

    def key(self, group: int, numbers: list[int], place: int) -> Key | None:
        last = (place + 1) * (self.rules.kind_of[group].block // self.rules.unit) - 1
        return (group, numbers[last]) if last < len(numbers) else None

    def find(self, group: int, numbers: list[int], place: int) -> int | None:
        key = self.key(group, numbers, place)
        return self.cached[key][0] if key is not None and self.cached[key] else None

    def match(self, kind: Kind, numbers: list[int], tokens: int, drop: bool) -> int:
        step = self.rules.alignment // kind.block

        def there(place: int) -> bool:
            return all(self.find(group, numbers, place) is not None for group in kind.groups)

        end, row, bound = 0, 0, tokens // kind.block
        if kind.window is None:
            while end < bound and there(end):
                end += 1
        else:
            for place in reversed(range(bound)):
                if not there(place):
                    row = 0
                elif row or (place + 1) % step == 0:
                    row += 1
                    if row == kind.need + drop:
                        end = place + row
                        break
            else:
                end = row
        return (end - (drop and end > 0)) // step * self.rules.alignment

    def look_up(self, numbers: list[int], prompt: int) -> tuple[int, int]:
        rules = self.rules
        if rules.alone:
            found = self.match(rules.kinds[0], numbers, prompt - 1, rules.kinds[0].drop)
            return found, found
        hit, longest, whole = prompt - 1, 0, prompt // rules.unit * rules.unit
        full: int | None = None
        dropped: set[Kind] = set()
        while True:
            length = hit
            for kind in rules.kinds:
                if kind.window is None and full is not None:
                    length = min(length, full) // kind.block * kind.block
                    continue
                drop = kind.drop and kind not in dropped
                bound = min(length + kind.block, whole) if drop else length
                found = self.match(kind, numbers, bound, drop)
                longest = max(longest, found)
                if drop:
                    dropped.add(kind)
                elif found < length:
                    dropped.clear()
                full = found if kind.window is None else full
                length = found
            if length >= hit or (len(rules.kinds) == 2 and full is not None):
                return length, longest
            hit = length

    def give(self, blocks: Sequence[int]) -> None:
        unnamed = []
        for block in blocks:
            self.users[block] -= 1
            if not self.users[block]:
                if block in self.names:
                    self.free[block] = None
                else:
                    unnamed.append(block)
        for block in reversed(unnamed):
            self.free[block] = None
            self.free.move_to_end(block, last=False)

    def take(self, count: int) -> list[int]:
        taken = [self.free.popitem(last=False)[0] for _ in range(count)]
        for block in taken:
            self.users[block] = 1
            if block in self.names:
                key = self.names.pop(block)
                self.cached[key].remove(block)
                self.evicted.append(key)
        return taken

    def is_named(self, kind: Kind, prompt: int, pin: int, place: int) -> bool:
        rules, block = self.rules, kind.block
        if kind.window is None or rules.retention is None:
            return True
        align = rules.alignment
        if kind.drop:
            ends = {prompt // align * align - align, (prompt - 1) // align * align - align}
            ends |= {pin, pin - block} if pin else set()
        else:
            ends = {(prompt - 1) // align * align, pin // align * align}
        if any(-kind.need <= place - max(0, end) // block < kind.drop for end in ends):
            return True
        if not rules.retention:
            return False
        multiple = -(-(place + 1) * block // rules.retention) * rules.retention
        return place * block >= multiple - kind.need * block

    def start(self, numbers: list[int], prompt: int) -> "Running | bool | None":
        """Admit and take the prompt; None if not admitted, False if given back in the middle."""
        hit, longest = self.look_up(numbers, prompt)
        pin = longest if longest > hit else 0
        held: list[list[int | None]] = []
        lacks = 0
        for group, kind in enumerate(self.rules.kind_of):
            count = hit // kind.block
            gone = 0
            wants = -(-prompt // kind.block)
            if kind.window is not None:
                gone = min(count, max(0, hit - kind.window + 1) // kind.block)
                flight = self.rules.chunk * (1 + self.rules.asynchronous)
                wants = min(wants, -(-(kind.window - 1 + flight) // kind.block) + 1)
            lacks += max(0, wants - count)
            held.append([None] * gone)
            held[-1] += [self.find(group, numbers, at) for at in range(gone, count)]
        used = [block for blocks in held for block in blocks if block is not None]
        if lacks + sum(not self.users[block] for block in used) > len(self.free):
            return None
        for block in used:
            self.free.pop(block, None)
            self.users[block] += 1
        running = Running(self, numbers, prompt, hit, pin, held)
        return running if running.read() else False


class Running:
    """A request that holds blocks."""

    def __init__(
        self,
        pool: Blocks,
        numbers: list[int],
        prompt: int,
        hit: int,
        pin: int,
        held: list[list[int | None]],
    ) -> None:
        self.pool, self.numbers, self.prompt = pool, numbers, prompt
        self.hit, self.pin, self.held = hit, pin, held
        self.named_to = [hit // kind.block for kind in pool.rules.kind_of]
        self.done, self.flight = hit, 0

    def read(self) -> bool:
        while self.done < self.prompt:
            if not self.step(min(self.pool.rules.chunk, self.prompt - self.done)):
                self.end()
                return False
        return True

    def step(self, tokens: int) -> bool:
        pool, rules = self.pool, self.pool.rules
        computed = self.done - (self.flight if rules.asynchronous else 0)
        for blocks, kind in zip(self.held, rules.kind_of, strict=True):
            if kind.window is None:
                continue
            gone = min(len(blocks), max(0, computed - kind.window + 1) // kind.block)
            leaving = [block for block in blocks[:gone] if block is not None]
            blocks[:gone] = [None] * gone
            pool.give(leaving[::-1])
        total = self.done + tokens
        wants = [
            -(-total // kind.block) - len(blocks)
            for kind, blocks in zip(rules.kind_of, self.held, strict=True)
        ]
        if sum(wants) > len(pool.free):
            return False
        for blocks, count in zip(self.held, wants, strict=True):
            blocks += pool.take(count)
        pool.peak = max(pool.peak, pool.usable - len(pool.free))
        self.done, self.flight = total, tokens
        self.name()
        return True

    def name(self) -> None:
        pool, rules = self.pool, self.pool.rules
        for group, kind in enumerate(rules.kind_of):
            align = 1 if rules.alone else rules.alignment
            upto = self.done // align * align // kind.block
            if kind.drop and not rules.alone:
                upto = min(self.done // kind.block, upto + 1)
            for place in range(self.named_to[group], upto):
                block = self.held[group][place]
                if block is not None and pool.is_named(kind, self.prompt, self.pin, place):
                    key = pool.key(group, self.numbers, place)
                    assert key is not None
                    pool.names[block] = key
                    pool.cached[key].append(block)
            self.named_to[group] = max(upto, self.named_to[group])

    def end(self) -> None:
        for blocks in self.held:
            self.pool.give([block for block in reversed(blocks) if block is not None])


def one_after_another(
    pool: Blocks, requests: Sequence[Request], fits: Callable[[int], bool]
) -> tuple[list[int], list[int]]:
    """The hits of each request, and those refused: where `fits` says so of one, and vLLM."""
    hits, refused = [0] * len(requests), []
    for place, request in enumerate(requests):
        numbers = pool.number(request)
        running = pool.start(numbers, request.prompt_tokens) if fits(place) else None
        if not isinstance(running, Running):
            refused.append(place)
            continue
        for _ in range(request.output_tokens - 1):
            assert running.step(1)
        running.end()
        hits[place] = running.hit
    return hits, refused


def as_they_come(pool: Blocks, requests: Sequence[Request]) -> tuple[list[int], list[int]]:
    """The same of requests that hold their prompts' blocks for their lives."""
    hits, refused = [0] * len(requests), []
    numbers = [pool.number(request) for request in requests]
    coming, waiting = deque(range(len(requests))), deque[int]()
    ends: list[tuple[int, int, Running]] = []
    while coming or ends:
        if ends and not (coming and requests[coming[0]].start < ends[0][0]):
            now, _, over = heappop(ends)
            over.end()
        else:
            waiting.append(coming.popleft())
            now = requests[waiting[-1]].start
        while waiting:
            place = waiting[0]
            running = pool.start(numbers[place], requests[place].prompt_tokens)
            if isinstance(running, Running):
                hits[place] = running.hit
                heappush(ends, (now + (requests[place].runs or 0), place, running))
            elif ends:
                break
            else:
                refused.append(place)
            waiting.popleft()
    return hits, refused
