"""The tensors of attention: projections to heads and back, their biases, norms and gates.

Source: transformers 5.24.0, models/<type>/modeling_<type>.py; measured on the meta device
(tests/oracles/parameters.json).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import (
    Attention,
    FullAttention,
    SlidingAttention,
)
from kvcalc.parameters.parts import Part
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tensor import Role

if TYPE_CHECKING:
    from kvcalc.layers.latent import CompressedAttention, LatentAttention

BIASED: dict[str, tuple[Role, ...]] = {
    "": (),
    "o": ("o",),
    "qkv": ("q", "k", "v"),
    "qkvo": ("q", "k", "v", "o"),
}
"""The projections with a bias, by what `Sizes.attention_bias` says."""

BIASES: dict[Role, Role] = {"q": "q_bias", "k": "k_bias", "v": "v_bias", "o": "o_bias"}


def heads(layer: Attention, sizes: Sizes) -> Iterator[Part]:
    """A query, a key and a value per head, and the way back."""
    hidden, value = sizes.hidden_size, layer.value_dim
    queries = layer.query_heads
    if queries is None:
        raise UnsupportedError.of(
            "query_heads", "missing, so the projections' widths are not known"
        )
    gated = 2 if sizes.output_gate == "element" else 1
    full = isinstance(layer, FullAttention)
    rows: dict[Role, tuple[int, int]] = {
        "q": (gated * queries * layer.head_dim, hidden),
        "k": (layer.kv_heads * layer.head_dim, hidden),
        "v": (layer.kv_heads * value, hidden),
        "o": (hidden, queries * value),
    }
    if sizes.values_are_keys and full:
        del rows["v"]
    for role, shape in rows.items():
        yield Part(role, "attention", shape)
    for role in BIASED[sizes.attention_bias]:
        yield Part(BIASES[role], "attention", rows[role][:1])
    yield from _beside(queries, layer, rows["k"][:1], sizes)
    if sizes.sinks == "all" or (sizes.sinks and isinstance(layer, SlidingAttention)):
        yield Part("sinks", "attention", (queries,))
    if isinstance(layer, FullAttention) and layer.index_head_dim and sizes.index_n_heads:
        yield from _indexer_of_heads(layer.index_head_dim, sizes.index_n_heads, hidden)


def _beside(queries: int, layer: Attention, keys: tuple[int, ...], sizes: Sizes) -> Iterator[Part]:
    """The norms of queries and keys, and the gates of a result."""
    if sizes.qk_norm == "head":
        yield Part("head_norm", "norm", (layer.head_dim,), 2 * (1 + sizes.qk_norm_bias))
    elif sizes.qk_norm == "row":
        yield Part("q_norm", "norm", (queries * layer.head_dim,))
        yield Part("k_norm", "norm", keys)
    if sizes.output_gate_bias:
        yield Part("head_gate", "attention", (queries,))
    if sizes.output_gate == "head":
        yield Part("head_gate", "attention", (queries, sizes.hidden_size))


def _indexer_of_heads(dim: int, count: int, hidden: int) -> Iterator[Part]:
    """The indexer beside keys and values (MiniMax-M3)."""
    yield Part("index_q", "indexer", (count * dim, hidden))
    yield Part("index_k", "indexer", (dim, hidden))
    yield Part("index_norm", "indexer", (dim,), 2)


def latent(layer: "LatentAttention", sizes: Sizes) -> Iterator[Part]:
    """Multi-head latent attention: queries and keys by way of a row of low rank."""
    queries, rank, rope = layer.query_heads, layer.kv_lora_rank, layer.qk_rope_head_dim
    hidden, nope, value = sizes.hidden_size, sizes.qk_nope_head_dim, sizes.v_head_dim
    if queries is None or nope is None or value is None:
        raise UnsupportedError.of(
            "qk_nope_head_dim", "missing beside its heads or v_head_dim, so no width follows"
        )
    query = (queries * (nope + rope), sizes.q_lora_rank or hidden)
    if sizes.q_lora_rank:
        yield Part("q_a", "attention", (sizes.q_lora_rank, hidden))
        yield Part("latent_norm", "norm", (sizes.q_lora_rank,))
        yield Part("q_b", "attention", query)
    else:
        yield Part("q", "attention", query)
    yield Part("kv_a", "attention", (rank + rope, hidden))
    yield Part("latent_norm", "norm", (rank,))
    yield Part("kv_b", "attention", (queries * (nope + value), rank))
    yield Part("o", "attention", (hidden, queries * value))
    if layer.index_head_dim and sizes.index_n_heads:
        dim, count = layer.index_head_dim, sizes.index_n_heads
        yield Part("index_q", "indexer", (count * dim, sizes.q_lora_rank or hidden))
        yield Part("index_k", "indexer", (dim, hidden))
        yield Part("index_norm", "indexer", (dim,), 2)
        yield Part("index_weights", "indexer", (count, hidden))


def compressed(layer: "CompressedAttention", sizes: Sizes) -> Iterator[Part]:
    """DeepSeek V4: one row for all heads, compressed, and results by groups and a low rank."""
    queries, hidden, dim = layer.query_heads, sizes.hidden_size, layer.head_dim
    groups, rank, lora = sizes.o_groups, sizes.o_lora_rank, sizes.q_lora_rank
    if queries is None or groups is None or rank is None or lora is None:
        raise UnsupportedError.of("o_groups", "missing beside its heads or ranks")
    yield Part("q_a", "attention", (lora, hidden))
    yield Part("latent_norm", "norm", (lora,))
    yield Part("q_b", "attention", (queries * dim, lora))
    yield Part("kv", "attention", (dim, hidden))
    yield Part("latent_norm", "norm", (dim,))
    yield Part("o_a", "attention", (groups * rank, queries * dim // groups))
    yield Part("o_b", "attention", (hidden, groups * rank))
    yield Part("sinks", "attention", (queries,))
    if layer.ratio:
        wide = 2 if layer.index_head_dim else 1  # a ratio of 4 overlaps
        yield Part("compressor_ape", "attention", (layer.ratio, wide * dim))
        yield Part("compressor", "attention", (wide * dim, hidden), 2)
        yield Part("latent_norm", "norm", (dim,))
    if layer.index_head_dim and sizes.index_n_heads:
        row, count = layer.index_head_dim, sizes.index_n_heads
        yield Part("index_ape", "indexer", (layer.ratio, 2 * row))
        yield Part("index_compressor", "indexer", (2 * row, hidden), 2)
        yield Part("index_norm", "indexer", (row,))
        yield Part("index_q", "indexer", (count * row, lora))
        yield Part("index_weights", "indexer", (count, hidden))
