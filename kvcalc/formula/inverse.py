"""From bytes back to tokens or sequences: exact integers, by doubling and bisection.

A cost that falls periodically, like that of DeepSeek V4, whose buffers empty at multiples of a
period, is searched over multiples first, then within the last period.
"""

from collections.abc import Callable
from itertools import pairwise

from kvcalc.errors import RequestError
from kvcalc.formula.expression import Expression, Value
from kvcalc.formula.formula import Formula

MAX_EVALUATIONS = 100
UNBOUNDED = 2**40
"""The largest amount to search for without another bound."""
TRIED = 2**13
"""A cost that is not known to grow is tried at contexts up to this, and to two of its periods."""
MOST_TRIED = 2**18
"""Two periods of more tokens than this are not tried: they take most of a second."""

FALLS = "the cost falls as it grows, so that no longest one can be found"


def largest(
    fits: Callable[[int], bool], most: int = UNBOUNDED, periods: tuple[int, ...] = ()
) -> int:
    """Find the largest amount up to `most` that fits; 0 if not even 1 does.

    `fits` must hold up to some amount and not beyond it. With `periods` that must be true only for
    multiples of the first, then within it for multiples of the next; within the last, all are
    tried.

    Raises:
        RequestError: more than 100 evaluations would be needed.
    """
    left = MAX_EVALUATIONS

    def tried(amount: int) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            raise RequestError.about("inverse", f"not found within {MAX_EVALUATIONS} evaluations")
        return fits(amount)

    found, end = 0, most + 1
    for period in periods:
        found = _last(tried, found // period, (end - 1) // period + 1, unit=period)
        end = min(end, found + period)
    if not periods:
        return _last(tried, 0, end)
    return next((amount for amount in range(end - 1, found, -1) if tried(amount)), found)


def _last(fits: Callable[[int], bool], low: int, end: int, unit: int = 1) -> int:
    """The last amount that fits, from `low` units, which are known to fit, to less than `end`."""
    step = 1
    while low + step < end and fits((low + step) * unit):
        low, step = low + step, 2 * step
    high = min(low + step, end)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle * unit):
            low = middle
        else:
            high = middle
    return low * unit


def periods_of(cost: Formula) -> tuple[int, ...]:
    """Find the periods with which a cost falls as the context grows, longest first.

    There are none if it never falls: sums, products, minima, maxima and quotients by a constant
    grow with their operands. A remainder, x - r * (x // r), falls with the period r. With any other
    difference a cost is tried token by token over the first thousands, where it must not fall.

    Raises:
        RequestError: it falls in another way, or the periods are not multiples of each other.
    """
    found: set[int] = set()
    proved = _collect(cost.expression, found)
    periods = tuple(sorted(found, reverse=True))
    if not proved:
        most = max(TRIED, 2 * max(periods, default=0))
        if most > MOST_TRIED or any(a > b for a, b in pairwise(map(cost, range(1, most)))):
            raise RequestError.about("context", FALLS)
        return ()
    if any(long % short for long, short in pairwise(periods)):
        raise RequestError.about("context", FALLS)
    return periods


def _collect(value: Value, found: set[int]) -> bool:
    """Gather the periods of an expression, and say whether it is known to have no others."""
    if isinstance(value, int) or value.kind == "variable" or not _varies(value):
        return not isinstance(value, int) or value >= 0
    left, right = value.operands
    if value.kind == "sub" and _varies(right):
        period = _remainder(left, right)
        if period is not None:
            found.add(period)
        return period is not None
    if value.kind in ("floordiv", "cdiv", "ceil") and _varies(right):
        return False
    if value.kind == "sub":
        return _collect(left, found)
    return _collect(left, found) & _collect(right, found)


def _remainder(left: Value, right: Value) -> int | None:
    """The r of left - right, if that has the form x - r * (x // r)."""
    if isinstance(right, Expression) and right.kind == "mul":
        period, quotient = right.operands
        if quotient == Expression("floordiv", (left, period)) and isinstance(period, int):
            return period
    return None


def _varies(value: Value) -> bool:
    """Whether an expression contains the context."""
    if isinstance(value, int):
        return False
    if value.kind == "variable":
        return value.name == "context"
    return any(map(_varies, value.operands))
