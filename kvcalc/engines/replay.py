"""A trace put through an engine's prefix cache: what is asked, and what comes of it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc.engines.chains import Run
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.pools import Pool


class Request(NamedTuple):
    """A request's tokens, and the microsecond at which it comes.

    `runs` is for how many microseconds it holds its blocks, None where requests are served one
    after another.
    """

    start: int
    prompt: tuple[Run, ...]
    output: tuple[Run, ...]
    runs: int | None = None

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        return sum(count for _, count in self.prompt)

    @property
    def output_tokens(self) -> int:
        """Tokens that the answer has."""
        return sum(count for _, count in self.output)


class Replayed(NamedTuple):
    """A trace through a cache of one size: the tokens of each request that hit.

    `refused` are the places of requests that never run, `evicted` the blocks that each group lost,
    `peak` the most blocks in use at once.
    """

    hits: tuple[int, ...]
    refused: tuple[int, ...]
    evicted: tuple[int, ...]
    peak: int


class Replay(NamedTuple):
    """How an engine's prefix cache is replayed."""

    blocks: "Callable[[Pool], int]"
    """The blocks of a pool that the cache has."""

    run: Callable[[Model, Any, Sequence[Request], Sequence[int | None]], list[Replayed]]
    """Puts requests through caches of these sizes, in blocks; None is one that is never full."""

    groups: Callable[[Model, Any], tuple[str, ...]]
    """The names of the groups that lose blocks."""

    block_bytes: Callable[[Model, Any], int] | None = None
    """The bytes of a block on a rank, where they are known."""

    best: Callable[[Model, Any, Sequence[Request], Sequence[int | None]], list[int]] | None = None
    """The tokens that the best policy of eviction could hit, for what `run` takes."""

    note: Callable[[Any], str] | None = None
    """A sentence that people need beside the answer under some settings, or ""."""
