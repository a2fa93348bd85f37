"""GGML's element types of a cache: a row is whole blocks of a few elements.

Sizes are those of llama.cpp's ggml/src/ggml-common.h (the block_* structs) and ggml.c; the types
are those that `--cache-type-k` takes (common/arg.cpp, kv_cache_types).
"""

from typing import NamedTuple

from kvcalc.errors import UnsupportedError
from kvcalc.spelling import spelled, unknown


class BlockType(NamedTuple):
    """An element type by GGML's name: `block_bytes` bytes for `block` elements."""

    name: str
    block: int
    block_bytes: int

    @property
    def quantised(self) -> bool:
        """Whether elements share a block's scale, so that a row must be whole blocks."""
        return self.block > 1

    def row_bytes(self, elements: int) -> int:
        """Bytes of a row of `elements`.

        Raises:
            UnsupportedError: the row is not whole blocks.
        """
        self.require_whole(elements, "a row")
        return elements // self.block * self.block_bytes

    def require_whole(self, elements: int, what: str) -> None:
        """Refuse what is not whole blocks.

        Raises:
            UnsupportedError: `what` of that many elements is not.
        """
        if elements % self.block:
            raise UnsupportedError(
                f"cache type {self.name}: {what} has {elements:,} elements, expected whole blocks "
                f"of {self.block}",
                what=f"cache type {self.name}",
            )


BLOCK_TYPES = {
    row.name: row
    for row in (
        BlockType("f32", 1, 4),
        BlockType("f16", 1, 2),
        BlockType("bf16", 1, 2),
        BlockType("q8_0", 32, 34),
        BlockType("q5_1", 32, 24),
        BlockType("q5_0", 32, 22),
        BlockType("q4_1", 32, 20),
        BlockType("q4_0", 32, 18),
        BlockType("iq4_nl", 32, 18),
    )
}

ALIASES = {
    "float32": "f32",
    "fp32": "f32",
    "float16": "f16",
    "fp16": "f16",
    "bfloat16": "bf16",
}

F16, F32 = BLOCK_TYPES["f16"], BLOCK_TYPES["f32"]


def block_type(name: str, field: str = "cache type") -> BlockType:
    """Find an element type by GGML's name, or by the name that other engines have for it.

    `field` is where the name was given.

    Raises:
        RequestError: no such type; the sentence names the nearest.
    """
    found = BLOCK_TYPES.get(spelled(name, BLOCK_TYPES, ALIASES) or "")
    if found is None:
        raise unknown("llama.cpp's cache type", name, [*BLOCK_TYPES, *ALIASES], field=field)
    return found
