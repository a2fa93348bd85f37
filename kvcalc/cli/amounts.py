"""Amounts as options write them: one number of tokens, lists of them, and doubling ranges."""

import re
from collections.abc import Iterable

from kvcalc.errors import RequestError
from kvcalc.units import TokensWarning, parse_tokens
from kvcalc.warned import warn


def amount(text: str | None, option: str) -> int | None:
    """Read one amount, if it was given."""
    return None if text is None else parse_tokens(text, option)


THOUSANDS = "[0-9]{1,3}(,[0-9]{3})+"


def amounts(texts: Iterable[str] | None, option: str, *, large: bool = False) -> list[int]:
    """Read lists (8K,32K) and doubling ranges (8K..256K), in their order.

    128,000 is one amount, as no other begins with a zero; so is 8,192, with a note, where amounts
    are `large`: no list of small ones is meant.
    """
    found: list[int] = []
    for text in texts or ():
        for item in _items(text, option, large):
            found += _range(item, option) if ".." in item else [parse_tokens(item, option)]
    return found


def _items(text: str, option: str, large: bool) -> list[str]:
    items = text.split(",")
    if not re.fullmatch(THOUSANDS, text):
        return items
    if not any(item.startswith("0") for item in items[1:]):
        if not large:
            return items
        digits, apart = "".join(items), " ".join(f"{option} {item}" for item in items)
        warn(
            f"{option}: {text} is read as {digits}; to be exact write {digits}, or {apart}",
            TokensWarning,
        )
    return [text]


def _range(text: str, option: str) -> list[int]:
    start, _, end = text.partition("..")
    tokens, last = parse_tokens(start, option), parse_tokens(end, option)
    if tokens > last:
        raise RequestError.of(option, text, "the smaller end first")
    doubled = []
    while tokens <= last:
        doubled.append(tokens)
        tokens *= 2
    return doubled
