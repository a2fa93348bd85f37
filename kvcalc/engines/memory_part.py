"""One part of what an engine's start takes of a GPU's memory beside its cache."""

from collections.abc import Mapping
from typing import Literal

from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, evaluated
from kvcalc.records import Record

Kind = Literal["exact", "table", "estimate", "given"]
"""How a figure is known: it follows from the source, it was measured, it is estimated, or given."""

Place = Literal["GPU", "main memory"]
GPU: Place = "GPU"
MAIN_MEMORY: Place = "main memory"
"""Whose memory a part takes: a GPU's, or the host's."""

INSTEAD = "--reserve with what a log shows, or --optimistic to leave it out"


class MemoryPart(Record):
    """A part by its name: its likely bytes on one GPU, and the least and the most it may take.

    `source` is the file of the engine, or the logs, that the figure comes from. Bytes of the place
    "main memory" are the host's, for one copy of the model, and no GPU's.
    """

    name: str
    bytes: int
    low: int
    high: int
    kind: Kind
    source: str
    place: Place = GPU


class PartRule(Record):
    """A part as arithmetic over amounts that a planner changes; plain ints where none is left open.

    The rest is as of a `MemoryPart`. `or_named` is the part's name where its value is above 0.
    """

    name: str
    bytes: Value
    low: Value
    high: Value
    kind: Kind
    source: str
    or_named: tuple[str, Value] | None = None

    @classmethod
    def of(cls, part: MemoryPart) -> "PartRule":
        """The rule of a part that nothing changes."""
        return cls(part.name, part.bytes, part.low, part.high, part.kind, part.source)

    def at(self, amounts: Mapping[str, int]) -> MemoryPart:
        """The part at these amounts."""
        size, low, high = (evaluated(value, amounts) for value in (self.bytes, self.low, self.high))
        name = self.name
        if self.or_named is not None and evaluated(self.or_named[1], amounts) > 0:
            name = self.or_named[0]
        return MemoryPart(name, size, low, high, self.kind, self.source)


def exact_rule(name: str, size: Value, source: str) -> PartRule:
    """A part as `exact` makes it, of bytes that may be arithmetic."""
    return PartRule(name, size, size, size, "exact", source)


def exact(name: str, size: int, source: str) -> MemoryPart:
    """A part that follows from the engine's source, without a band; `size` is bytes."""
    return MemoryPart(name, size, size, size, "exact", source)


def not_modelled(engine: str, what: str, instead: str = "") -> UnsupportedError:
    """Decline a part by its name, and say what to give: `instead`, or what a log shows."""
    ways = f"give {instead}, {INSTEAD}" if instead else f"give {INSTEAD}"
    return UnsupportedError(
        f"{engine}: kvcalc does not know how much memory {what} takes at the start; {ways}",
        engine=engine,
        what=what,
    )
