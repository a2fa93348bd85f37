"""What a layer keeps, in the units that SGLang hands out."""

from typing import NamedTuple

FULL, WINDOW, SLOT, REQUEST = "full", "swa", "mamba", "request"
"""Units: a page of the full pool, a page of the window pool, a slot of recurrent state, a running
request."""


class Stored(NamedTuple):
    """A buffer's share of one layer: `bytes` a unit of `pool`, and `spare` bytes beside them all.

    `buffer` is its name in the figures of a pool; `working` says how the bytes come about.
    """

    pool: str
    buffer: str
    working: str
    bytes: int
    spare: int


class Kept(NamedTuple):
    """What a group of layers keeps; `window` is in tokens."""

    kind: str
    layers: int
    window: int | None
    parts: tuple[Stored, ...]

    def bytes_of(self, pool: str) -> int:
        """Bytes of all its layers a unit of a pool."""
        return self.layers * sum(part.bytes for part in self.parts if part.pool == pool)
