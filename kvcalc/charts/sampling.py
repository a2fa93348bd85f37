"""The contexts at which a curve is drawn: exact integers, spaced as the eye sees them."""

from collections.abc import Iterable

POINTS = 200
"""Contexts of a curve: three pixels apart in a picture of our size."""
FIRST = 1_024
"""Where a curve begins, unless it is asked otherwise or the model's maximum is less."""


def spaced(
    low: int, high: int, *, points: int = POINTS, linear: bool = False, also: Iterable[int] = ()
) -> tuple[int, ...]:
    """Space contexts over a range, evenly or by ratio, with both ends and those of `also` in it.

    Powers of two are among them, as contexts and the ticks of an axis are.
    """
    steps = max(1, points - 1)
    if linear:
        found = {low + (high - low) * step // steps for step in range(steps + 1)}
    else:
        found = {round(low * (high / low) ** (step / steps)) for step in range(steps + 1)}
    marked = {*also, *(2**power for power in range(high.bit_length()))}
    found |= {low, high, *(tokens for tokens in marked if low <= tokens <= high)}
    return tuple(sorted(found))
