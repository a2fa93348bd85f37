"""Amounts as options write them: one number of tokens, lists of them, and doubling ranges."""

from collections.abc import Iterable

from kvcalc.errors import RequestError
from kvcalc.units import parse_tokens


def amount(text: str | None, option: str) -> int | None:
    """Read one amount, if it was given."""
    return None if text is None else parse_tokens(text, option)


def amounts(texts: Iterable[str] | None, option: str) -> list[int]:
    """Read lists (8K,32K) and doubling ranges (8K..256K), in their order."""
    found: list[int] = []
    for text in texts or ():
        for item in text.split(","):
            found += _range(item, option) if ".." in item else [parse_tokens(item, option)]
    return found


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
