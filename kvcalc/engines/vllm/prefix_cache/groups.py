"""The KV cache groups as the prefix cache sees them: windows, blocks, and which lose a block."""

from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm


@dataclass(frozen=True)
class Kind:
    """Groups that are looked up together: their `window` (None: all tokens) and block in tokens.

    `drop` says that the last block of a match is computed again, for a draft (EAGLE, MTP).
    """

    window: int | None
    block: int
    groups: tuple[int, ...]
    drop: bool = False

    @cached_property
    def need(self) -> int:
        """Blocks that a window needs, to the left of where a match ends."""
        return 0 if self.window is None else -(-(self.window - 1) // self.block)


@dataclass(frozen=True)
class Rules:
    """What a replay depends on beside the trace and the blocks.

    `kinds` in the order in which they are looked up, full ones first; `chunk` is
    max_num_batched_tokens; `retention` is prefix_cache_retention_interval, None for all blocks.
    """

    kinds: tuple[Kind, ...]
    chunk: int
    asynchronous: bool = False
    retention: int | None = 0

    @cached_property
    def kind_of(self) -> tuple[Kind, ...]:
        """The kind of each group."""
        placed = {group: kind for kind in self.kinds for group in kind.groups}
        return tuple(placed[group] for group in range(len(placed)))

    @cached_property
    def places(self) -> tuple[int, ...]:
        """The place of each group's kind."""
        return tuple(self.kinds.index(kind) for kind in self.kind_of)

    @cached_property
    def unit(self) -> int:
        """Tokens of the blocks that are told apart."""
        return gcd(*(kind.block for kind in self.kinds))

    @cached_property
    def alignment(self) -> int:
        """Tokens of which what is found is a multiple."""
        return lcm(*(kind.block for kind in self.kinds))

    @cached_property
    def alone(self) -> bool:
        """Whether there is one group."""
        return len(self.kind_of) == 1

    @cached_property
    def drops(self) -> bool:
        """Whether a draft takes a block of any kind."""
        return any(kind.drop for kind in self.kinds)

    @cached_property
    def windowed(self) -> tuple[Kind, ...]:
        """The kinds with a window."""
        return tuple(kind for kind in self.kinds if kind.window is not None)
