"""Prompts that begin alike, as paths in one tree: the blocks of tokens that they share.

A chain is what a request added to the tree that no request before it had: blocks in a row, each
identified by all tokens from the first to its own last. The path of a request runs along the
beginnings of some chains.
"""

from collections.abc import Iterable

Run = tuple[int, int]
"""Consecutive token ids: the first, and how many."""

Segment = tuple[int, int, int]
"""A chain, and which blocks of a path belong to it: from one depth up to another."""

Path = tuple[Segment, ...]


class _Edge:
    """Tokens of a chain between two forks; what goes on after them, by its first token."""

    __slots__ = ("chain", "children", "length", "runs")

    def __init__(self, chain: int, runs: list[Run], length: int) -> None:
        self.chain = chain
        self.runs = runs
        self.length = length
        self.children: dict[int, _Edge] = {}

    def common(self, rest: list[Run]) -> int:
        """Take what is the same from `rest`, runs in reverse; return how many tokens that is."""
        common = 0
        for first, count in self.runs:
            if not rest or rest[-1][0] != first:
                break
            _, asked = rest.pop()
            if asked != count:
                shorter = min(asked, count)
                common += shorter
                if asked > count:
                    rest.append((first + count, asked - count))
                    continue
                break
            common += count
        return common

    def cut(self, at: int) -> None:
        """Fork after that many tokens; the remaining ones become a child."""
        place = start = 0
        while start + self.runs[place][1] <= at:
            start += self.runs[place][1]
            place += 1
        first, count = self.runs[place]
        inside = at - start
        runs = [(first + inside, count - inside), *self.runs[place + 1 :]]
        rest = _Edge(self.chain, runs, self.length - at)
        rest.children = self.children
        self.runs = self.runs[:place] + ([(first, inside)] if inside else [])
        self.length = at
        self.children = {first + inside: rest}


class Chains:
    """The tree of all that was asked, in blocks of `unit` tokens.

    `starts` and `bases` are the depth of each chain's first block and its number, as blocks are
    numbered when they are first seen.
    """

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.starts: list[int] = []
        self.bases: list[int] = []
        self._blocks = 0
        self._children: dict[int, _Edge] = {}

    def path(self, tokens: Iterable[Run]) -> Path:
        """The path of a request; what of it is new becomes a chain."""
        rest = merged(tokens)[::-1]
        path: list[Segment] = []
        children, at = self._children, 0
        while rest and (edge := children.get(rest[-1][0])) is not None:
            common = edge.common(rest)
            at += common
            self._pass(path, edge.chain, at // self.unit)
            if rest and common < edge.length:
                edge.cut(common)
            children = edge.children
        if rest:
            self._new(path, children, at, rest[::-1])
        return tuple(path)

    def _new(
        self, path: list[Segment], children: dict[int, _Edge], at: int, runs: list[Run]
    ) -> None:
        length = sum(count for _, count in runs)
        children[runs[0][0]] = _Edge(len(self.starts), runs, length)
        start, end = at // self.unit, (at + length) // self.unit
        self.starts.append(start)
        self.bases.append(self._blocks)
        self._blocks += end - start
        self._pass(path, len(self.starts) - 1, end)

    def _pass(self, path: list[Segment], chain: int, end: int) -> None:
        """Go along a chain; where a fork cut it, it is one segment all the same."""
        start = self.starts[chain]
        if path and path[-1][0] == chain:
            path.pop()
        if end > start:
            path.append((chain, start, end))


def merged(tokens: Iterable[Run]) -> list[Run]:
    """Join runs of which one continues the other; empty ones are left out."""
    runs: list[Run] = []
    first = total = 0
    for start, count in tokens:
        if total and start == first + total:
            total += count
        elif count:
            if total:
                runs.append((first, total))
            first, total = start, count
    if total:
        runs.append((first, total))
    return runs


def between(path: Path, lo: int, hi: int) -> Path:
    """The part of a path between two depths."""
    if lo >= hi:
        return ()
    return tuple(
        [
            (chain, start if start > lo else lo, end if end < hi else hi)
            for chain, start, end in path
            if start < hi and end > lo
        ]
    )


def coarser(path: Path, times: int) -> Path:
    """The same path in blocks `times` as long, each identified by the last block in it."""
    if times == 1:
        return path
    longer = ((chain, start // times, end // times) for chain, start, end in path)
    return tuple(segment for segment in longer if segment[2] > segment[1])
