"""Options that are given as NAME=VALUE, each name once."""

from collections.abc import Iterable

from kvcalc.errors import RequestError, quote


def named(pairs: Iterable[str], option: str, expected: str) -> dict[str, str]:
    """Split each pair at its first equals sign; `expected` is how the option is written.

    Raises:
        RequestError: a pair has no equals sign or no value, or a name is given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not value:
            raise RequestError.of(option, pair, f"{expected}")
        if name in found:
            raise RequestError.about(option, f"{quote(name)} is given twice", found=name)
        found[name] = value
    return found
