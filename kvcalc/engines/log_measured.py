"""What a start-up log tells of the parts of a GPU's memory, for other questions of its server."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kvcalc.engines.log import Pattern
from kvcalc.engines.memory_part import MemoryPart


class Measured(NamedTuple):
    """The weights and the parts beside them on one GPU, of a start on so many ranks and stages.

    Ranks and stages are None where the log does not say them.
    """

    weights: MemoryPart
    parts: tuple[MemoryPart, ...]
    ranks: int | None
    stages: int | None


class FromLog(NamedTuple):
    """How an engine's log is read for its parts: its lines, and what their figures mean.

    `measured` is of the figures of each line, and the bytes that the engine's share is, which a log
    may not print.
    """

    patterns: tuple[Pattern, ...]
    measured: Callable[[Sequence[Mapping[str, str]], int], Measured]
