"""What a layer stores: its buffers, and the bytes of a token in those of attention.

Source: SGLang 0.5.23, srt/mem_cache/memory_pool.py (the pools' buffers) and
srt/model_executor/pool_configurator.py (what the pool is sized by; the two agree).
"""

from typing import NamedTuple

from kvcalc.engines.engine import heads_per_rank
from kvcalc.engines.sglang.formats import Format
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.layers.latent import LatentAttention

FULL, WINDOW, SLOT, SIDE, REQUEST = "full", "swa", "mamba", "side", "request"
"""What the pools hand out: a page of the full pool, a page of the window pool, a slot of recurrent
state, what stands beside a slot and is not counted as it is sized, a running request."""

SCALED = 128
"""Elements that share a float32 scale: of an indexer's 8-bit key, of a latent row on Hopper."""


class BufferBytes(NamedTuple):
    """A buffer's share of one layer: `bytes` per unit of `pool`, and `spare` bytes beside them all.

    `name` is that in the figures of a pool; `working` says how the bytes come about.
    """

    pool: str
    name: str
    working: str
    bytes: int
    spare: int


class LayerBuffers(NamedTuple):
    """The buffers of equal layers; `window` is in tokens."""

    kind: str
    layers: int
    window: int | None
    buffers: tuple[BufferBytes, ...]

    def bytes_of(self, pool: str) -> int:
        """Bytes of all its layers per unit of a pool."""
        return self.layers * sum(each.bytes for each in self.buffers if each.pool == pool)


class TokenRow(NamedTuple):
    """A token's part in one buffer of a layer: how its bytes come about, and how many they are."""

    buffer: str
    working: str
    bytes: int

    def in_pages(self, pool: str, page: int) -> BufferBytes:
        """The buffer in a pool that hands out pages of that many tokens; one page is spare."""
        working = self.working if page == 1 else f"{page} tokens x {self.working}"
        size = self.bytes * page
        return BufferBytes(pool, f"{pool}.{self.buffer}", working, size, size)


def require_shared(query_heads: int | None, ranks: int) -> None:
    """Refuse ranks that do not divide a layer's query heads."""
    if query_heads is not None and query_heads % ranks:
        raise UnsupportedError.of(
            "tensor_parallel_size",
            f"found {ranks} ranks for a layer's heads, expected a divisor of its "
            f"{query_heads} query heads",
        )


def keys_and_values(
    layer: Attention, form: Format, ranks: int, in_window_pool: bool
) -> list[TokenRow]:
    """A key and a value per KV head. The two pools of a windowed model do not pack FP4.

    Raises:
        KvcalcError: heads that the ranks cannot share, or sizes that the element type cannot hold.
    """
    require_shared(layer.query_heads, ranks)
    heads = heads_per_rank(layer.kv_heads, ranks)
    bits = 8 if form.packed and in_window_pool else form.bits
    rows = [
        TokenRow(
            buffer,
            f"{heads} KV heads x {size} elements of {bits} bits",
            heads * size * bits // 8,
        )
        for buffer, size in (("k_buffer", layer.head_dim), ("v_buffer", layer.value_dim))
    ]
    if form.block and not (form.packed and in_window_pool):
        rows += _scales(layer, form, heads)
    return rows


def _scales(layer: Attention, form: Format, heads: int) -> list[TokenRow]:
    for name, size in (("head_dim", layer.head_dim), ("v_head_dim", layer.value_dim)):
        if size % form.block:
            raise UnsupportedError.of(
                name,
                f"found {size}, expected a multiple of {form.block}, the elements that "
                f"share a scale of {form.name}",
            )
    if form.packed and layer.head_dim != layer.value_dim:
        raise UnsupportedError.of(
            "kv_cache_dtype", f"{form.name} wants keys and values of one size"
        )
    return [
        TokenRow(
            buffer,
            f"{heads} KV heads x {size} / {form.block} scales of 8 bits",
            heads * size // form.block,
        )
        for buffer, size in zip(form.block_scales, (layer.head_dim, layer.value_dim), strict=True)
    ]


def latent(layer: LatentAttention, form: Format, ranks: int, scaled: bool) -> list[TokenRow]:
    """A latent row, the same on every rank; of sparse layers on Hopper fp8 rows carry scales.

    Raises:
        UnsupportedError: heads that the ranks cannot share, or sizes that the element type cannot
            hold.
    """
    require_shared(layer.query_heads, ranks)
    elements = layer.row_elements
    sizes = f"({layer.kv_lora_rank} + {layer.qk_rope_head_dim}) elements"
    if layer.window is not None and form.packed:
        raise UnsupportedError.of(
            "kv_cache_dtype", f"{form.name} is not known for sliding latent rows"
        )
    if form.packed:
        return [
            TokenRow("kv_buffer", f"{sizes} of {form.bits} bits", elements * form.bits // 8),
            TokenRow(
                "kv_scale_buffer", f"{elements} / {form.block} scales", elements // form.block
            ),
        ]
    if layer.sparse and form.name == "fp8_e4m3" and scaled:
        if layer.kv_lora_rank % SCALED:
            raise UnsupportedError.of(
                "kv_lora_rank", f"found {layer.kv_lora_rank}, expected a multiple of {SCALED}"
            )
        working = (
            f"{layer.kv_lora_rank} elements of 8 bits, a scale of 4 bytes for {SCALED} of them, "
            f"{layer.qk_rope_head_dim} elements of 16 bits"
        )
        scales = layer.kv_lora_rank // SCALED * 4
        row = layer.kv_lora_rank + scales + 2 * layer.qk_rope_head_dim
        return [TokenRow("kv_buffer", working, row)]
    return [TokenRow("kv_buffer", f"{sizes} of {form.bits} bits", elements * form.bits // 8)]


def sparse_index(layer: LatentAttention) -> list[TokenRow]:
    """The key of a sparse layer's own indexer, of 8 bits, with its scale; one a pool of tokens.

    Raises:
        UnsupportedError: a size that SGLang's kernels do not take.
    """
    size = layer.index_head_dim
    if not layer.sparse or size is None:
        return []
    if size != SCALED:
        raise UnsupportedError.of("index_head_dim", f"found {size}, expected {SCALED} on sglang")
    working = f"{size} elements of 8 bits, a scale of 4 bytes"
    return [_pooled(working, size + 4, layer.index_pool or 1)]


def _pooled(working: str, key: int, pool: int) -> TokenRow:
    """A token's share of an indexer's key.

    Raises:
        UnsupportedError: tokens that do not share it evenly.
    """
    if key % pool:
        raise UnsupportedError.of(
            "index_kpool", f"found {pool}, expected a divisor of a key's {key} bytes"
        )
    return TokenRow("index_k", f"{working}, of {pool} tokens" if pool > 1 else working, key // pool)


def block_index(layer: FullAttention, bits: int) -> list[TokenRow]:
    """The key of an indexer beside keys and values, of `bits` per element; one a pool of tokens.

    Raises:
        UnsupportedError: tokens that do not share it evenly.
    """
    size = layer.index_head_dim
    if size is None:
        return []
    return [_pooled(f"{size} elements of {bits} bits", size * bits // 8, layer.index_pool or 1)]
