"""The rules of SGLang that differ by release; `releases` says which holds from when on.

A rule of the window pool says how many tokens beside its window a request may hold while it
generates: of the window, the page and the eviction interval in tokens, and whether there is a radix
cache. What leaves the window is given back in whole pages.
"""

from collections.abc import Callable

from kvcalc.formula.expression import Value, maximum

Beside = Callable[[Value, int, int, bool], Value]


def a_window(window: Value, page: int, interval: int, radix_cache: bool) -> Value:
    """Given back once in a window's tokens (_evict_swa)."""
    return window + (page - 1)


def a_window_and_a_page(window: Value, page: int, interval: int, radix_cache: bool) -> Value:
    """Once in a window's tokens, in whole pages, and the last page of them is kept."""
    return maximum(window, page) // page * page + (2 * page - 1)


def an_interval_and_a_page(window: Value, page: int, interval: int, radix_cache: bool) -> Value:
    """Once in that many steps of the server; with the radix cache a page more is kept."""
    return interval + (page if radix_cache else 0) + page - 1


def an_interval(window: Value, page: int, interval: int, radix_cache: bool) -> Value:
    """Once in that many steps of the server; with the radix cache at least a page is kept."""
    least = maximum(window, page) - window if radix_cache else 0
    return least + (interval + page - 1)


def an_interval_of_its_own(window: Value, page: int, interval: int, radix_cache: bool) -> Value:
    """As soon as that many tokens of a request have left the window."""
    return max(interval, page)
