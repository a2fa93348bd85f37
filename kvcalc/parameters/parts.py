"""What one layer, or a place outside of the layers, holds of a kind."""

from typing import NamedTuple

from kvcalc.parameters.tensor import Component, Role


class Part(NamedTuple):
    """Tensors of one layer: their role, their component, the shape, and how many there are."""

    role: Role
    component: Component
    shape: tuple[int, ...]
    copies: int = 1
