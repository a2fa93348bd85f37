"""The curve of hits against memory: what each size adds to the one below it, and its knee."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

KNEE = 5
"""Per cent of the most hits: the knee is the smallest size that is at most so far below them.

The measure is our own. It asks what all larger sizes add together, since what one step adds depends
on how far apart the sizes are.
"""


class Placed(NamedTuple):
    """What a size hits more than the next smaller one, and whether it is the knee.

    `added` is None for the smallest. No size is the knee where only the largest would be, as hits
    still rise there, or where nothing hits.
    """

    added: int | None
    knee: bool


def placed(sizes: Sequence[int | None], hits: Sequence[int]) -> list[Placed]:
    """Place each size (None: never full) among all, by its hits."""
    order = sorted(range(len(sizes)), key=lambda at: (sizes[at] is None, sizes[at] or 0))
    if not order:
        return []
    added: dict[int, int | None] = dict.fromkeys(order[:1])
    added |= {at: hits[at] - hits[before] for before, at in pairwise(order)}
    most = max(hits)
    first = next(at for at in order if 100 * hits[at] >= (100 - KNEE) * most)
    has_knee = most > 0 and sizes[first] != sizes[order[-1]]
    return [Placed(added[at], has_knee and at == first) for at in range(len(sizes))]
