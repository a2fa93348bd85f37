"""What a layer keeps: bytes of a page of 256 tokens, and bytes of a sequence's slot."""

from typing import NamedTuple

from kvcalc.formula.expression import Value, added


class Part(NamedTuple):
    """One tensor's part of a page or of a slot; `working` says how its bytes come about."""

    what: str
    working: str
    bytes: Value


class LayerParts(NamedTuple):
    """The parts of one layer: in each page, and in each slot whatever the context."""

    page: tuple[Part, ...] = ()
    slot: tuple[Part, ...] = ()

    @property
    def page_bytes(self) -> Value:
        """Bytes of the layer in a page."""
        return added(part.bytes for part in self.page)

    @property
    def slot_bytes(self) -> Value:
        """Bytes of the layer in a slot."""
        return added(part.bytes for part in self.slot)
