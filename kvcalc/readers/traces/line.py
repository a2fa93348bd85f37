"""What every form of a line asks of its values, and why a line is no request."""

from collections.abc import Mapping
from typing import Any

from kvcalc.engines.chains import Run, merged
from kvcalc.errors import quote
from kvcalc.readers.traces.formats import UNITS_US
from kvcalc.readers.traces.rows import MAX_TOKENS

Line = Mapping[str, Any]
"""A line's object of JSON."""

MAX_ID = 2**62
"""The largest token id, or id of a block."""

MAX_START = 2**62
"""The latest start, in microseconds."""


class UnreadError(Exception):
    """What a line has instead of a request."""


def whole(found: Line, key: str, least: int = 0) -> int:
    """Read a count of tokens.

    Raises:
        UnreadError: it is not one.
    """
    value = found[key]
    if type(value) is not int or not least <= value <= MAX_TOKENS:
        raise UnreadError(
            f"{key}: found {quote(value)}, expected a count of {least} to {MAX_TOKENS:,}"
        )
    return value


def start(value: Any, key: str, unit: str) -> int:
    """Read a time as microseconds.

    Raises:
        UnreadError: it is not one.
    """
    if type(value) not in (int, float) or not 0 <= value * UNITS_US[unit] <= MAX_START:
        raise UnreadError(f"{key}: found {quote(value)}, expected a time in {unit}")
    return int(value * UNITS_US[unit])


def token_runs(listed: Any, key: str) -> list[Run]:
    """Read token ids one by one, or in runs, [first token id, how many].

    Raises:
        UnreadError: they are none, or too many.
    """
    if not isinstance(listed, list):
        raise UnreadError(f"{key}: found {quote(listed)}, expected a list of tokens")
    runs = [(one, 1) if type(one) is int else _run(one, key) for one in listed]
    if any(not 0 <= first <= MAX_ID for first, _ in runs):
        raise UnreadError(f"{key}: found a token id outside 0 to {MAX_ID:,}")
    if sum(count for _, count in runs) > MAX_TOKENS:
        raise UnreadError(f"{key}: found more than {MAX_TOKENS:,} tokens")
    return merged(runs)


def _run(one: Any, key: str) -> Run:
    match one:
        case [int(first), int(count)] if type(first) is type(count) is int and count >= 0:
            return first, count
    raise UnreadError(
        f"{key}: found {quote(one)}, expected a token id, or [first token id, how many]"
    )


def token_ids(listed: Any, key: str) -> list[int]:
    """Read token ids one by one.

    Raises:
        UnreadError: they are none.
    """
    if not isinstance(listed, list) or not {*map(type, listed)} <= {int}:
        raise UnreadError(f"{key}: found {quote(listed)}, expected a list of token ids")
    if listed and not 0 <= min(listed) <= max(listed) <= MAX_ID:
        raise UnreadError(f"{key}: found a token id outside 0 to {MAX_ID:,}")
    return listed
