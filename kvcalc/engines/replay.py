"""A trace put through an engine's prefix cache: what is asked, and what comes of it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kvcalc.engines.chains import Run
from kvcalc.model import Model


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
    """How an engine's prefix cache is replayed.

    `size` is the figure of its pool that counts its blocks, `block_bytes` that of a block's bytes
    on a rank. `run` takes requests and sizes, in blocks, None for a cache that is never full;
    `groups` names the groups that lose blocks. `measured` says what ran.
    """

    size: str
    block_bytes: str
    run: Callable[[Model, Any, Sequence[Request], Sequence[int | None]], list[Replayed]]
    groups: Callable[[Model, Any], tuple[str, ...]]
    measured: str
