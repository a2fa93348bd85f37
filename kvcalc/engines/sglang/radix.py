"""SGLang's RadixCache: a tree of the prompts that it keeps, whose leaves are evicted whole.

SGLang 0.5.23, srt/mem_cache/radix_cache.py. A node is tokens between two forks. What is matched or
put in splits a node where it ends, and all nodes on the way get one time stamp.
"""

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush

from kvcalc.engines.chains import Run, merged


class Node:
    """Tokens of the tree between two forks; `users` are requests that run with them."""

    __slots__ = ("children", "length", "parent", "runs", "stamp", "users")

    def __init__(self, runs: list[Run], parent: "Node | None", stamp: int) -> None:
        self.runs = runs
        self.length = sum(count for _, count in runs)
        self.parent = parent
        self.stamp = stamp
        self.users = 0
        self.children: dict[tuple[Run, ...], Node] = {}

    def __lt__(self, other: "Node") -> bool:
        """The one that was used longer ago is evicted first."""
        return self.stamp < other.stamp


class Radix:
    """A tree in pages of `page` tokens; `log` is told how many tokens each eviction took."""

    def __init__(self, page: int, log: Callable[[int], object] | None = None) -> None:
        self.page = page
        self.log = log
        self.tokens = self.evicted = 0
        self.root = Node([], None, 0)
        self._now = 0

    def match(self, tokens: Iterable[Run], upto: int) -> tuple[Node, int]:
        """The node where the tree leaves a beginning of some tokens, and how many it has."""
        self._now += 1
        node, matched = self.root, 0
        rest = merged(beginning(tokens, upto // self.page * self.page))
        while rest and (child := node.children.get(self._first(rest))) is not None:
            common = alike(child.runs, rest) // self.page * self.page
            child.stamp = self._now
            matched += common
            if common < child.length:
                return self._split(child, common), matched
            node, rest = child, after(rest, common)
        return node, matched

    def put(self, tokens: Iterable[Run], upto: int) -> None:
        """Put the whole pages of a beginning in; what the tree has already is stored once."""
        tokens = list(tokens)
        node, matched = self.match(tokens, upto)
        rest = merged(after(beginning(tokens, upto // self.page * self.page), matched))
        if rest:
            child = node.children[self._first(rest)] = Node(rest, node, self._now)
            self.tokens += child.length

    def use(self, node: Node | None, users: int) -> None:
        """Let so many requests more run with a node and all before it."""
        while node is not None:
            node.users += users
            node = node.parent

    def evict(self, tokens: int) -> None:
        """Evict whole leaves, that used the longest time ago first, until so many tokens went."""
        before = self.evicted
        leaves = [node for node in self.nodes() if not node.children and not node.users]
        heapify(leaves)
        while leaves and self.evicted - before < tokens:
            node = heappop(leaves)
            parent = node.parent
            assert parent is not None
            del parent.children[self._first(node.runs)]
            self.tokens -= node.length
            self.evicted += node.length
            if parent is not self.root and not parent.children and not parent.users:
                heappush(leaves, parent)
        if self.log is not None and self.evicted > before:
            self.log(self.evicted - before)

    def nodes(self) -> Iterator[Node]:
        """All nodes but the root."""
        stack = [*self.root.children.values()]
        while stack:
            node = stack.pop()
            stack += node.children.values()
            yield node

    def _first(self, runs: list[Run]) -> tuple[Run, ...]:
        """The first page, by which a child is found."""
        return tuple(beginning(runs, self.page))

    def _split(self, child: Node, at: int) -> Node:
        parent = child.parent
        assert parent is not None
        node = Node(beginning(child.runs, at), parent, child.stamp)
        node.users = child.users
        parent.children[self._first(node.runs)] = node
        child.runs = after(child.runs, at)
        child.length -= at
        child.parent = node
        node.children[self._first(child.runs)] = child
        return node


def beginning(runs: Iterable[Run], tokens: int) -> list[Run]:
    """The first tokens of some runs."""
    taken: list[Run] = []
    for first, count in runs:
        if tokens <= 0:
            break
        taken.append((first, min(count, tokens)))
        tokens -= count
    return taken


def after(runs: list[Run], tokens: int) -> list[Run]:
    """The runs after the first tokens."""
    for place, (first, count) in enumerate(runs):
        if tokens < count:
            return [(first + tokens, count - tokens), *runs[place + 1 :]]
        tokens -= count
    return []


def alike(one: list[Run], other: list[Run]) -> int:
    """How many tokens two lists of runs have in common at their beginnings."""
    common = 0
    for (first, count), (second, asked) in zip(one, other, strict=False):
        if first != second:
            break
        common += min(count, asked)
        if count != asked:
            break
    return common
