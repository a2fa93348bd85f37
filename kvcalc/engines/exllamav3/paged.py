"""The rows of a page: 256 tokens in float16, or packed (cache/fp16.py, quant.py, mla.py, dsa.py).

Packed elements stand in groups of 32, with a scale of float16 for each group.
"""

from typing import TYPE_CHECKING

from kvcalc.engines.exllamav3.layer_parts import Part
from kvcalc.engines.exllamav3.settings import PAGE
from kvcalc.errors import UnsupportedError

if TYPE_CHECKING:
    from kvcalc.layers.attention import Attention
    from kvcalc.layers.latent import CompressedAttention, LatentAttention

GROUP = 32
LEAST, MOST = 2, 8
"""Bits of a packed element."""

ROPE = 64
"""Of a row of DeepSeek V4, which is not packed (architecture/deepseek_v4.py, qk_rope_head_dim)."""

Bits = tuple[int, int] | None
"""Bits of an element of K and of V; None where they are not packed."""


def keys_and_values(layer: "Attention", bits: Bits) -> tuple[Part, ...]:
    """A key and a value per KV head; a value is stored at the key's size.

    Raises:
        UnsupportedError: a number of bits that the cache has not.
    """
    width = layer.kv_heads * layer.head_dim
    sizes = f"{layer.kv_heads} KV heads x {layer.head_dim}"
    if bits is None:
        return (_plain("K and V", 2 * width, f"2 x {sizes}"),)
    k, v = bits
    _require(k)
    _require(v)
    row = width // GROUP * (4 * (k + v) + 4)
    working = f"{PAGE} tokens x {sizes} elements of {k} and {v} bits, 2 scales for every {GROUP}"
    return (Part("K and V", working, PAGE * row),)


def latent(layer: "LatentAttention", bits: Bits) -> tuple[Part, ...]:
    """A latent and a rotary key, which stays as it is; an indexer's keys, too, are never packed.

    Raises:
        UnsupportedError: a number of bits that the cache has not, or a latent of no whole groups.
    """
    rank, rope = layer.kv_lora_rank, layer.qk_rope_head_dim
    if bits is None:
        parts = [_plain("the latent and its rotary key", rank + rope, f"({rank} + {rope})")]
    elif rank % GROUP:
        raise UnsupportedError.of(
            "cache_quant", f"found a latent of {rank} elements, expected a multiple of {GROUP}"
        )
    else:
        parts = [_packed("the latent", rank, bits[0])]
        parts += [_plain("its rotary key", rope, f"{rope}")] if rope else []
    index = layer.index_head_dim
    return (*parts, *([] if index is None else [_plain("an indexer's key", index, f"{index}")]))


def compressed(layer: "CompressedAttention", bits: Bits) -> tuple[Part, ...]:
    """One row for `ratio` tokens, its rotary part and an indexer's key never packed.

    Raises:
        UnsupportedError: a ratio that does not divide a page, or a number of bits.
    """
    if not layer.ratio:
        return ()
    if PAGE % layer.ratio:
        raise UnsupportedError.of("ratio", f"found {layer.ratio}, expected a divisor of {PAGE}")
    rows, size, index = PAGE // layer.ratio, layer.head_dim, layer.index_head_dim
    if bits is None or size <= ROPE or (size - ROPE) % GROUP:
        parts = [_plain("a compressed row", size, f"{size}", rows)]
    else:
        parts = [
            _packed("a compressed row", size - ROPE, bits[0], rows),
            _plain("its rotary part", ROPE, f"{ROPE}", rows),
        ]
    return (
        *parts,
        *([] if index is None else [_plain("an indexer's key", index, f"{index}", rows)]),
    )


def _plain(what: str, elements: int, sizes: str, rows: int = PAGE) -> Part:
    of = "tokens" if rows == PAGE else "rows"
    return Part(what, f"{rows} {of} x {sizes} elements of float16", rows * elements * 2)


def _packed(what: str, elements: int, bits: int, rows: int = PAGE) -> Part:
    _require(bits)
    of = "tokens" if rows == PAGE else "rows"
    working = f"{rows} {of} x {elements} elements of {bits} bits, a scale for every {GROUP}"
    return Part(what, working, rows * (elements // GROUP) * (4 * bits + 2))


def _require(bits: int) -> None:
    if not LEAST <= bits <= MOST:
        raise UnsupportedError.of(
            "cache_quant", f"found {bits} bits, expected {LEAST} to {MOST} on exllamav3"
        )
