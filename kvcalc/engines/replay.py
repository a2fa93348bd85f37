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
    """How an engine's prefix cache is replayed.

    `blocks` are those of its pool, `block_bytes` a block's bytes on a rank, if they are known.
    `run` takes requests and sizes, in blocks, None for a cache that is never full; `groups` names
    the groups that lose blocks. `best` takes what `run` takes and has the tokens that the best
    policy of eviction could hit, where they are known. `note` is what people need to know beside
    the answer under some settings, a sentence or "".
    """

    blocks: "Callable[[Pool], int]"
    run: Callable[[Model, Any, Sequence[Request], Sequence[int | None]], list[Replayed]]
    groups: Callable[[Model, Any], tuple[str, ...]]
    block_bytes: Callable[[Model, Any], int] | None = None
    best: Callable[[Model, Any, Sequence[Request], Sequence[int | None]], list[int]] | None = None
    note: Callable[[Any], str] | None = None
