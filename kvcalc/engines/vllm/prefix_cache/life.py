"""What a request takes of the pool, names and gives back while it lives, whatever the pool's size.

vLLM 0.33.0, v1/core/single_type_kv_cache_manager.py (get_num_blocks_to_allocate, cache_blocks,
remove_skipped_blocks, reachable_block_mask). Blocks are taken from the front of the free ones,
where those without a name lie; named ones are given back at the end. So the order in which names
are lost depends on sums alone, and steps of one token need not be taken one at a time.
"""

from collections.abc import Iterable
from typing import NamedTuple

from kvcalc.engines.chains import Path, between
from kvcalc.engines.vllm.prefix_cache.groups import Kind, Rules
from kvcalc.engines.vllm.prefix_cache.lookup import Paths
from kvcalc.engines.vllm.prefix_cache.named import Span
from kvcalc.engines.vllm.prefix_cache.retained import retained


class Left(NamedTuple):
    """Named blocks that leave windows: of each group deepest first, or `striped`.

    Striped blocks leave one of each group at a time, from the first depth on.
    """

    groups: tuple[int, ...]
    parts: Path
    striped: bool = False


class Step(NamedTuple):
    """Blocks given back and taken, and what of the path is named then by which groups.

    `unnamed` are given back without a name, `takes` are taken; `most` is the most by which takes
    run ahead of what is given back without a name. `above` is how many blocks more are in use at
    the highest than at the end.
    """

    left: tuple[Left, ...]
    unnamed: int
    takes: int
    most: int
    named: tuple[tuple[tuple[int, ...], Path], ...]
    above: int = 0


class Life(NamedTuple):
    """A request's steps, what it lacks at its admission, what it holds at most and at its end.

    `used` are the blocks of each group that it finds and uses, `found` in all; `kept` are those
    with a name at its end, deepest first, `unnamed` the others.
    """

    used: tuple[Path, ...]
    found: int
    lacks: int
    steps: tuple[Step, ...]
    kept: tuple[Path, ...]
    unnamed: int
    peak: int


class Served(NamedTuple):
    """A prompt of so many tokens, of which `hit` are found, and the tokens that are stored in all.

    `pin` is a boundary that other requests share, past the hit; 0 for none.
    """

    prompt: int
    stored: int
    paths: Paths
    hit: int
    pin: int


def life(rules: Rules, served: Served, batches: int | None = None) -> Life:
    """Work out a request's life, or one that ends where it finds no room after so many batches."""
    return _Life(rules, served).whole(batches)


class _Blocks:
    """The blocks of each group of a kind, by depth: found up to `found`, held up to `held`.

    Those before `gone` have left the window, those before `named_to` have a name if they are to.
    """

    __slots__ = ("found", "gone", "groups", "held", "kind", "named_to", "path", "spans")

    def __init__(self, rules: Rules, kind: Kind, served: Served) -> None:
        self.kind = kind
        self.path = served.paths[kind.block]
        self.groups = len(kind.groups)
        self.found = self.held = self.named_to = served.hit // kind.block
        self.gone = 0
        within = self.found, served.stored // kind.block + 1
        if kind.window is None:
            self.spans = [within]
        else:
            self.gone = min(self.found, max(0, served.hit - kind.window + 1) // kind.block)
            self.spans = retained(rules, kind, served.prompt, served.pin, within)

    def gone_at(self, computed: int) -> int:
        """Blocks wholly before the window, once so many tokens are computed."""
        window = self.kind.window
        if window is None:
            return 0
        return max(self.gone, (computed - window + 1) // self.kind.block)

    def named(self, lo: int, hi: int) -> list[Span]:
        """The blocks between two depths that have a name by now."""
        if lo >= hi:
            return []
        named = [(lo, min(hi, self.found))] if lo < self.found else []
        hi = min(hi, self.named_to)
        for start, end in self.spans:
            start, end = max(start, lo), min(end, hi)
            if start < end:
                if named and named[-1][1] == start:
                    start = named.pop()[0]
                named.append((start, end))
        return named

    def parts(self, spans: Iterable[Span]) -> Path:
        """What of the path lies in spans of depths."""
        return tuple([part for lo, hi in spans for part in between(self.path, lo, hi)])

    def unnamed(self, lo: int, hi: int) -> int:
        """How many blocks of all groups between two depths have none."""
        if lo == hi:
            return 0
        return self.groups * (hi - lo - sum(end - start for start, end in self.named(lo, hi)))


class _Life:
    def __init__(self, rules: Rules, served: Served) -> None:
        self.rules = rules
        self.served = served
        self.each = [_Blocks(rules, kind, served) for kind in rules.kinds]
        self.found = self.peak = self._in_use()
        self.used = self._by_group(between(one.path, one.gone, one.found) for one in self.each)

    def _by_group(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """Give what each kind has to its groups."""
        given = list(paths)
        return tuple([given[place] for place in self.rules.places])

    def whole(self, batches: int | None) -> Life:
        served, chunk = self.served, self.rules.chunk
        steps: list[Step] = []
        before = done = served.hit
        while done < served.prompt:
            total = min(done + chunk, served.prompt)
            computed = before if self.rules.asynchronous else done
            if len(steps) == batches:
                self._leave(computed, [])
                break
            steps.append(self._batch(total, computed))
            before, done = done, total
        if batches is None and served.stored > served.prompt:
            steps += self._decoded(before)
        kept = self._by_group(one.parts(one.named(one.gone, one.held))[::-1] for one in self.each)
        unnamed = sum(one.unnamed(one.gone, one.held) for one in self.each)
        lacks = max(self._lacks(), steps[0].takes if steps else 0)
        return Life(self.used, self.found, lacks, tuple(steps), kept, unnamed, self.peak)

    def _lacks(self) -> int:
        """Blocks that the whole prompt lacks, as its admission counts them."""
        flight = self.rules.chunk * (2 if self.rules.asynchronous else 1)
        lacks = 0
        for one in self.each:
            wants = -(-self.served.prompt // one.kind.block)
            if one.kind.window is not None:
                wants = min(wants, -(-(one.kind.window - 1 + flight) // one.kind.block) + 1)
            lacks += one.groups * max(0, wants - one.found)
        return lacks

    def _in_use(self) -> int:
        return sum(one.groups * (one.held - one.gone) for one in self.each)

    def _batch(self, total: int, computed: int) -> Step:
        """One batch, up to so many tokens, after so many are computed."""
        left: list[Left] = []
        unnamed = self._leave(computed, left)
        takes = self._take(total)
        self.peak = max(self.peak, self._in_use())
        return Step(tuple(left), unnamed, takes, takes - unnamed, self._name(total))

    def _take(self, total: int) -> int:
        takes = 0
        for one in self.each:
            held = -(-total // one.kind.block)
            takes += one.groups * (held - one.held)
            one.held = held
        return takes

    def _leave(self, computed: int, left: list[Left]) -> int:
        """Give back the blocks wholly before each window; count those without a name."""
        unnamed = 0
        leaving: dict[int, Path] = {}
        for one in self.each:
            gone = one.gone_at(computed)
            if gone > one.gone:
                named = one.named(one.gone, gone)
                if named:
                    leaving |= dict.fromkeys(one.kind.groups, one.parts(named)[::-1])
                unnamed += one.unnamed(one.gone, gone)
                one.gone = gone
        left += [Left((group,), leaving[group]) for group in sorted(leaving)]
        return unnamed

    def _name(self, total: int) -> tuple[tuple[tuple[int, ...], Path], ...]:
        """The blocks that get a name once so many tokens are computed."""
        rules, named = self.rules, []
        aligned = total if rules.alone else total // rules.alignment * rules.alignment
        for one in self.each:
            block = one.kind.block
            upto = aligned // block
            if one.kind.drop and aligned and not rules.alone:
                upto = min(total // block, upto + 1)
            start = one.named_to
            if upto > start:
                one.named_to = upto
                named.append((one.kind.groups, one.parts(one.named(start, upto))))
        return tuple(named)

    def _decoded(self, before: int) -> tuple[Step, Step]:
        """All steps of one token: what they name, which may leave a window yet, and the rest."""
        prompt, last = self.served.prompt, self.served.stored
        named = self._name(last)
        in_use = self._in_use()
        most = high = 0
        for total in self._instants():
            takes = unnamed = gone = 0
            for one in self.each:
                takes += one.groups * (-(-total // one.kind.block) - one.held)
                left_behind = one.gone_at(self._computed(total, before))
                gone += one.groups * (left_behind - one.gone)
                unnamed += one.unnamed(one.gone, left_behind)
            most = max(most, takes - unnamed)
            high = max(high, in_use + takes - gone)
        takes = self._take(last)
        left: list[Left] = []
        unnamed = 0
        for total in range(prompt + 1, min(prompt + 2, last) + 1):
            unnamed += self._leave(self._computed(total, before), left)
        unnamed += self._slide(self._computed(last, before), left)
        high = max(high, self._in_use())
        self.peak = max(self.peak, high)
        above = high - self._in_use()
        return Step((), 0, 0, 0, named), Step(tuple(left), unnamed, takes, most, (), above)

    def _instants(self) -> Iterable[int]:
        """Steps of one token at one of which the most blocks are taken ahead.

        From one period of the blocks to the next no fewer are taken than given back without a
        name: so it is one of the last, or the first, before windows that lagged behind move on.
        """
        first, last = self.served.prompt + 1, self.served.stored
        late = max(first, last - self.rules.alignment + 1)
        instants = {first}
        for block in {one.kind.block for one in self.each}:
            latest = (last - 1) // block * block + 1
            instants |= {*range(latest, late - 1, -block)}
        return instants

    def _computed(self, total: int, before: int) -> int:
        """Tokens computed before the step that stores so many in all."""
        if not self.rules.asynchronous:
            return total - 1
        return before if total == self.served.prompt + 1 else total - 2

    def _slide(self, computed: int, left: list[Left]) -> int:
        """Let blocks leave windows one at a time until so many tokens are computed."""
        unnamed = 0
        named: list[tuple[_Blocks, Span]] = []
        for one in self.each:
            gone = one.gone_at(computed)
            if gone > one.gone:
                named += [(one, span) for span in one.named(one.gone, gone)]
                unnamed += one.unnamed(one.gone, gone)
                one.gone = gone
        if len({one.kind.groups for one, _ in named}) == 1:
            left += [
                Left(one.kind.groups, between(one.path, lo, hi), one.groups > 1 or hi - lo > 1)
                for one, (lo, hi) in named
            ]
        else:  # windows of several kinds move in turn, those of one step in the groups' order
            left += [
                Left((group,), between(path, place, place + 1))
                for _, group, place, path in sorted(
                    ((place + 1) * one.kind.block + (one.kind.window or 0), group, place, one.path)
                    for one, (lo, hi) in named
                    for place in range(lo, hi)
                    for group in one.kind.groups
                )
            ]
        return unnamed
