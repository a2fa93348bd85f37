"""The rules of SGLang that differ by release; `releases` says which holds from when on.

`Beside` is how many tokens beside its window a request may hold while it generates: of the window,
the page and the eviction interval in tokens, and whether there is a radix cache. What leaves the
window is given back in whole pages. The others say how many tokens the full pool gets where a
window pool has a share of them, and how many requests run at once in a group.
"""

from collections.abc import Callable
from typing import NamedTuple

from kvcalc.formula.expression import Value, maximum

Beside = Callable[[Value, int, int, bool], Value]


class Shared(NamedTuple):
    """A budget for two pools: bytes, those of a token of each, and tokens of the window pool's.

    `ratio` is of a token of the full pool's, `page` in tokens, `most` is max_total_tokens.
    """

    budget: int
    full: int
    window: int
    ratio: float
    page: int
    most: int | None

    def whole(self, tokens: int) -> int:
        """The tokens in whole pages, and no more than the most."""
        return (tokens if self.most is None else min(tokens, self.most)) // self.page * self.page


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


def of_whole_tokens(shared: Shared) -> int:
    """As the bytes of so many whole tokens of both pools give, which max_total_tokens limits."""
    both = shared.full + shared.window
    given = shared.whole(shared.budget // both) * both
    tokens = int(given / (shared.full + shared.ratio * shared.window))
    return tokens // shared.page * shared.page


def of_their_share(shared: Shared) -> int:
    """As the budget gives, and at most max_total_tokens."""
    return shared.whole(int(shared.budget // (shared.full + shared.ratio * shared.window)))


def within_the_estimate(asked: int | None, estimate: int, tokens: int) -> int:
    """As asked, but no more than the estimate; unasked, as many as have two tokens each."""
    return min(estimate, tokens // 2 if asked is None else asked)


def with_two_tokens_each(asked: int | None, estimate: int, tokens: int) -> int:
    """As asked, else the estimate, but no more than have two tokens each."""
    return min(estimate if asked is None else asked, tokens // 2)
