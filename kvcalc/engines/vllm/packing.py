"""Groups whose pages of different bytes lie side by side, where the block is outermost.

vLLM, v1/core/kv_cache_planning.py.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kvcalc.engines.vllm.caches import Cache, CircularCache, Placed, SlidingCache, StateCache
from kvcalc.errors import UnsupportedError


class Family(NamedTuple):
    """Caches that may share a group, in order, and the same by the bytes of their pages."""

    members: Sequence[Placed]
    by_page: Mapping[int, Sequence[Placed]]

    @property
    def first(self) -> Cache:
        """The cache of the first member."""
        return self.members[0][1]

    @property
    def longest(self) -> int:
        """How many members have the commonest page."""
        return max(map(len, self.by_page.values()))

    @property
    def balanced(self) -> bool:
        """Whether there are as many members of each page."""
        return len(set(map(len, self.by_page.values()))) == 1

    def width(self, groups: int) -> int:
        """Bytes of a block that the family takes if it is dealt to that many groups."""
        return sum(-(-len(members) // groups) * page for page, members in self.by_page.items())

    def dealt(self, groups: int) -> list[list[Placed]]:
        """Deal the members to groups, a pattern of one member of each page after the other.

        Raises:
            UnsupportedError: there are not as many members of each page.
        """
        if groups == 1:
            return [list(self.members)]
        pattern = list(zip(*self.by_page.values(), strict=False))
        if len(pattern) * len(self.by_page) < len(self.members):
            raise UnsupportedError.of(
                "kv_cache_layout",
                f"found layer {self.members[0][0]} and its like with pages of "
                f"{', '.join(f'{page:,}' for page in self.by_page)} bytes, not as many layers "
                "of each; vllm cannot deal them out with the block outermost",
            )
        return [
            [placed for repeat in pattern[start::groups] for placed in repeat]
            for start in range(groups)
        ]


def packed(caches: Sequence[Placed]) -> list[list[Placed]]:
    """Gather caches into groups whose pages are packed side by side.

    Families that mix page sizes in equal numbers repeat a pattern and set how many repeats a
    group holds; families of states and windows are split so that they do not widen the block.

    Raises:
        UnsupportedError: a family cannot be dealt to the groups that it needs.
    """
    families = _families(caches)
    repeats = _repeats(families)
    counts = [
        -(-family.longest // repeats) if repeats and family.balanced else 1 for family in families
    ]
    splits = [
        isinstance(family.first, StateCache | CircularCache)
        or (not repeats and isinstance(family.first, SlidingCache))
        for family in families
    ]
    widest = max(
        family.width(len(family.members) if split else count)
        for family, count, split in zip(families, counts, splits, strict=True)
    )
    groups: list[list[Placed]] = []
    for family, count, split in zip(families, counts, splits, strict=True):
        fitting = max(1, widest // family.first.page)
        least = -(-len(family.members) // fitting) if split else 1
        groups += family.dealt(max(count, least))
    return groups


def _families(caches: Sequence[Placed]) -> list[Family]:
    families: defaultdict[object, list[Placed]] = defaultdict(list)
    for place, cache in caches:
        families[cache.family, cache.block].append((place, cache))
    return [Family(members, _by_page(members)) for members in families.values()]


def _by_page(members: Sequence[Placed]) -> Mapping[int, Sequence[Placed]]:
    pages: defaultdict[int, list[Placed]] = defaultdict(list)
    for place, cache in members:
        pages[cache.page].append((place, cache))
    return dict(pages)


def _repeats(families: Sequence[Family]) -> int:
    """How many repeats a group holds: what pads least, the larger of equals; 0 for no pattern."""
    balanced = [family for family in families if family.balanced]
    least = max((family.longest for family in balanced if len(family.by_page) > 1), default=0)
    if not least:
        return 0
    lengths = [family.longest for family in balanced]
    return min(
        range(least, max(lengths) + 1),
        key=lambda size: (sum(-length % size for length in lengths), -size),
    )
