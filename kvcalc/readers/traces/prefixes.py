"""Token ids that are told by what they follow, as runs of ids that count up.

A prefix cache knows a token by all before it. So what requests share from their first token on has
the same ids in all of them, what is new has ids that none had before: a long prompt is a run for
each request that it shares with, however its tokens go.
"""

from array import array
from collections.abc import Iterable
from typing import TypeAlias

from kvcalc.engines.chains import Run

Tokens: TypeAlias = "array[int]"


class _Edge:
    """Tokens between two forks, numbered from `first` on; what follows, by its first token."""

    __slots__ = ("children", "first", "tokens")

    def __init__(self, tokens: Tokens, first: int) -> None:
        self.tokens = tokens
        self.first = first
        self.children: dict[int, _Edge] = {}

    def cut(self, at: int) -> None:
        """Fork after so many tokens; the rest goes on as a child."""
        rest = _Edge(self.tokens[at:], self.first + at)
        rest.children = self.children
        self.tokens = self.tokens[:at]
        self.children = {rest.tokens[0]: rest}


class Prefixes:
    """The tree of all token ids that were read."""

    def __init__(self) -> None:
        self._children: dict[int, _Edge] = {}
        self._numbered = 0

    def runs(self, tokens: Iterable[int]) -> list[Run]:
        """The runs that stand for the tokens of a request, from its first on."""
        asked = array("q", tokens)
        runs: list[Run] = []
        children, at = self._children, 0
        while at < len(asked):
            edge = children.get(asked[at])
            if edge is None:
                length = len(asked) - at
                children[asked[at]] = _Edge(asked[at:], self._numbered)
                runs.append((self._numbered, length))
                self._numbered += length
                break
            alike = _alike(edge.tokens, asked, at)
            runs.append((edge.first, alike))
            at += alike
            if at < len(asked) and alike < len(edge.tokens):
                edge.cut(alike)
            children = edge.children
        return runs


def _alike(known: Tokens, asked: Tokens, at: int) -> int:
    """How many tokens are the same: in halves, as arrays are compared at once."""
    alike, most = 0, min(len(known), len(asked) - at)
    if known[:most] == asked[at : at + most]:
        return most
    while most - alike > 1:
        half = (alike + most) // 2
        if known[alike:half] == asked[at + alike : at + half]:
            alike = half
        else:
            most = half
    return alike
