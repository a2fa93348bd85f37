"""The points of a line that can be seen: those without which it would run elsewhere."""

from collections.abc import Sequence
from math import inf

NEAR = 0.2
"""Pixels that nobody sees."""

Point = tuple[float, float]


def visible(points: Sequence[Point], near: float = NEAR) -> list[int]:
    """Choose points, by their places, so that lines between them pass all others `near` enough.

    Points go from left to right, in pixels. From a point that is kept, all that follow are left
    out as long as one straight line passes them all.
    """
    kept = [0]
    low, high = -inf, inf
    for at in range(1, len(points)):
        (x, y), (x0, y0) = points[at], points[kept[-1]]
        if at > kept[-1] + 1 and not low <= (y - y0) / (x - x0) <= high:
            kept.append(at - 1)
            x0, y0 = points[at - 1]
            low, high = -inf, inf
        low = max(low, (y - near - y0) / (x - x0))
        high = min(high, (y + near - y0) / (x - x0))
    return [*kept, len(points) - 1] if len(points) > 1 else kept
