"""The models of a file that holds several: each with a name of its own, and what was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kvcalc.dtypes import dtype
from kvcalc.errors import KvcalcError
from kvcalc.model import Model
from kvcalc.readers.reading import Reading

if TYPE_CHECKING:
    from kvcalc.readers.weights import Weights

BETWEEN_PARTS = "|"
"""Separates the parts of a key; no name contains it."""


@dataclass(frozen=True)
class Listed:
    """A model of a workbook or a page: its name there, which is unique, and what was asked for."""

    name: str
    asked: str
    reading: Reading

    @property
    def model(self) -> Model:
        """The model."""
        return self.reading.model

    @property
    def element_bytes(self) -> int | float:
        """Bytes per element of the model's own type; 0.5 for int4."""
        bits = dtype(self.model.dtype).bits
        return bits / 8 if bits % 8 else bits // 8

    @cached_property
    def weights(self) -> "Weights | None":
        """All weights, as `fit` counts them; None if nothing tells how large they are."""
        from kvcalc.readers.weights import read_weights

        try:
            return read_weights(self.asked, self.model)
        except KvcalcError:
            return None

    @property
    def weights_bytes(self) -> int | None:
        """Bytes of all weights, None if they are not known."""
        return None if self.weights is None else self.weights.bytes


def named(readings: Sequence[tuple[str, Reading]]) -> tuple[Listed, ...]:
    """Give each model a unique name, regardless of case, without the bar that separates keys."""
    listed: list[Listed] = []
    taken: set[str] = set()
    for asked, reading in readings:
        own = reading.model.name.replace(BETWEEN_PARTS, "_")
        name, number = own, 1
        while name.casefold() in taken:
            number += 1
            name = f"{own} ({number})"
        taken.add(name.casefold())
        listed.append(Listed(name, asked, reading))
    return tuple(listed)
