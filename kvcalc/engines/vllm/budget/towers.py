"""The towers for images whose start is known."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvcalc.parameters.tower_sizes import TowerKind


class DummyImage(NamedTuple):
    """The largest image of a profile run: its tiles, and a tile's tokens and side in pixels."""

    tiles: int
    tokens: int
    side: int


DUMMY_IMAGES: "Mapping[TowerKind, DummyImage]" = {
    # models/gemma3_mm.py
    "gemma3": DummyImage(1, 256, 896),
    # models/mllama4.py (get_max_num_tiles): 16 tiles, and all of it in one
    "llama4": DummyImage(17, 144, 336),
    # models/pixtral.py: 55 x 55 merged patches, each row of which ends with a token
    "pixtral": DummyImage(1, 55 * 56, 1540),
}
"""By the towers that logs agree with: Gemma 3 in three sizes, Llama 4 Scout, Mistral Small 3.1."""
