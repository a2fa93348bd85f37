"""From a layer's type, as config.json names it, to what it caches: one rule per type."""

from collections.abc import Callable
from typing import Any, NamedTuple

from kvcalc.errors import SourceError, quote
from kvcalc.layers.attention import Attention, FullAttention, SlidingAttention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.composed import Combined, NoCache
from kvcalc.layers.cross import CrossAttention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import (
    CarriedRow,
    GatedDeltaNet,
    KimiDeltaAttention,
    LightningAttention,
    Mamba,
    Mamba2,
    Mlstm,
    ShortConvolution,
)
from kvcalc.readers.huggingface.keys import Keys


class Heads(NamedTuple):
    """The sizes of a layer with a key and a value per KV head, by the fields of `Attention`."""

    query_heads: int | None
    kv_heads: int
    head_dim: int
    v_head_dim: int | None


def _heads(keys: Keys) -> Heads:
    """Read the sizes of a layer with a key and a value per KV head."""
    query_heads = keys.size("num_attention_heads")
    kv_heads = keys.size("num_key_value_heads") if keys.has("num_key_value_heads") else query_heads
    if keys.has("multi_query"):
        if keys.flag("multi_query"):
            kv_heads = kv_heads if keys.flag("new_decoder_architecture") else 1
        elif not keys.in_file("num_key_value_heads"):
            kv_heads = query_heads
    if keys.has("head_dim"):
        head_dim = keys.size("head_dim")
    else:
        head_dim = keys.size("hidden_size") // query_heads
    return Heads(
        query_heads=query_heads if query_heads % kv_heads == 0 else None,
        kv_heads=kv_heads,
        head_dim=head_dim,
        v_head_dim=keys.get("v_head_dim"),
    )


def _latent(keys: Keys, **more: Any) -> Layer:
    return LatentAttention(
        query_heads=keys.get("num_attention_heads"),
        kv_lora_rank=keys.size("kv_lora_rank"),
        qk_rope_head_dim=keys.count("qk_rope_head_dim"),  # 0: rows without rotary positions
        **more,
    )


def _full(keys: Keys) -> Layer:
    if keys.has("kv_lora_rank", "qk_rope_head_dim"):
        return _latent(keys)
    return FullAttention(**_heads(keys)._asdict())


def _sliding(keys: Keys) -> Layer:
    window = keys.size("sliding_window")
    if keys.has("compress_rates") or keys.has("compress_ratios"):
        return CompressedAttention(
            query_heads=keys.get("num_attention_heads"),
            head_dim=keys.size("head_dim"),
            window=window,
        )
    if keys.has("kv_lora_rank", "qk_rope_head_dim"):
        return _latent(keys, window=window)
    return SlidingAttention(**_heads(_local(keys))._asdict(), window=window)


def _local(keys: Keys) -> Keys:
    """Read a sliding layer's own sizes, if the file gives them as swa_*."""
    own = {
        name: keys.get(f"swa_{name}")
        for name in ("num_attention_heads", "num_key_value_heads", "head_dim", "v_head_dim")
        if keys.has(f"swa_{name}")
    }
    return keys.within(own) if own else keys


def _chunked(keys: Keys) -> Layer:
    return ChunkedAttention(**_heads(keys)._asdict(), chunk=keys.size("attention_chunk_size"))


def _indexed(keys: Keys) -> Layer:
    index = keys.size("index_head_dim")
    if keys.get("indexer_kv_heads", 1) != 1:
        raise SourceError(
            f"indexer_kv_heads: found {quote(keys.get('indexer_kv_heads'))}, expected 1"
        )
    pool = keys.size("index_kpool") if keys.has("index_kpool") else 1
    more: dict[str, Any] = {"index_head_dim": index, "index_pool": pool if pool > 1 else None}
    if keys.has("kv_lora_rank", "qk_rope_head_dim"):
        return _latent(keys, sparse=True, index_dtype=keys.get("index_dtype"), **more)
    return FullAttention(**_heads(keys)._asdict(), **more)


def _index_shared(keys: Keys) -> Layer:
    return _latent(keys, sparse=True)


def _compressed(ratio: int) -> Callable[[Keys], Layer]:
    def compressed(keys: Keys) -> Layer:
        rates = keys.table_of("compress_rates")
        rate = rates.get(
            "compressed_sparse_attention" if ratio == 4 else "heavily_compressed_attention", ratio
        )
        return CompressedAttention(
            query_heads=keys.get("num_attention_heads"),
            head_dim=keys.size("head_dim"),
            window=keys.size("sliding_window"),
            ratio=rate,
            index_head_dim=keys.size("index_head_dim") if ratio == 4 else None,
        )

    return compressed


def _linear(keys: Keys) -> Layer:
    """Tell the recurrent kinds apart by the sizes that the file gives."""
    if keys.has("linear_num_value_heads"):
        return GatedDeltaNet(
            kernel=keys.size("linear_conv_kernel_dim"),
            key_heads=keys.size("linear_num_key_heads"),
            value_heads=keys.size("linear_num_value_heads"),
            key_dim=keys.size("linear_key_head_dim"),
            value_dim=keys.size("linear_value_head_dim"),
            state_dtype=keys.get("mamba_ssm_dtype"),
        )
    if keys.has("linear_num_heads", "linear_head_dim"):
        return KimiDeltaAttention(
            kernel=keys.size("linear_conv_kernel_dim"),
            heads=keys.size("linear_num_heads"),
            head_dim=keys.size("linear_head_dim"),
        )
    of_mamba2 = keys.has("mamba_groups") or keys.has("mamba_head_dim")
    if of_mamba2 and keys.has("mamba_heads", "state_size"):
        return _mamba2(keys)
    if keys.has("state_size"):
        return Mamba(
            kernel=keys.size("conv_kernel"), inner=_inner(keys), state=keys.size("state_size")
        )
    if keys.has("full_attn_alpha_factor"):
        return _lightning(keys)
    raise SourceError("layer_types: a linear_attention layer whose sizes the file does not give")


def _lightning(keys: Keys) -> Layer:
    heads = keys.size("num_attention_heads")
    head_dim = keys.size("head_dim") if keys.has("head_dim") else keys.size("hidden_size") // heads
    return LightningAttention(heads=heads, head_dim=head_dim)


def _cross(keys: Keys) -> Layer:
    return CrossAttention(**_heads(keys)._asdict())


def _inner(keys: Keys) -> int:
    """Inner channels of a Mamba layer: given, or a multiple of the hidden size."""
    if keys.has("mamba_d_ssm"):
        return keys.size("mamba_d_ssm")
    return keys.size("mamba_expand") * keys.size("hidden_size")


def _mamba2(keys: Keys) -> Layer:
    heads = keys.size("mamba_heads")
    head_dim = keys.get("mamba_head_dim")
    return Mamba2(
        kernel=keys.size("conv_kernel"),
        heads=heads,
        head_dim=head_dim if isinstance(head_dim, int) else _inner(keys) // heads,
        groups=keys.get("mamba_groups", 1),
        state=keys.size("state_size"),
        state_dtype=keys.get("mamba_ssm_cache_dtype"),
        chunk_size=keys.get("mamba_chunk_size") or keys.get("chunk_size"),
    )


def _convolution(keys: Keys) -> Layer:
    return ShortConvolution(kernel=keys.size("conv_L_cache"), width=keys.size("hidden_size"))


def _hybrid(keys: Keys) -> Layer:
    return Combined(parts=(attention := _full(keys), *_beside(keys, attention)))


def _hybrid_sliding(keys: Keys) -> Layer:
    return Combined(parts=(attention := _sliding(keys), *_beside(keys, attention)))


def _beside(keys: Keys, attention: Layer) -> tuple[Layer, ...]:
    """What a hybrid layer keeps beside its attention."""
    if not isinstance(attention, Attention):
        return (_linear(keys),)
    values = attention.kv_heads * attention.head_dim
    if keys.has("cca_time0"):
        # ZAYA convolves queries and keys, and carries half a row of values over.
        width = keys.size("num_attention_heads") * attention.head_dim + values
        row = CarriedRow(elements=values // 2)
        return (ShortConvolution(kernel=keys.size("cca_time0"), width=width), row)
    if keys.has("number_of_conv_states"):
        # Inkling convolves keys, values, and the results of attention and MLP, in float32.
        widths = (values, values, keys.size("hidden_size"), keys.size("hidden_size"))
        kernel = keys.size("conv_kernel")
        return tuple(
            ShortConvolution(kernel=kernel, width=width, state_dtype="float32") for width in widths
        )
    return (_linear(keys),)


def _mlstm(keys: Keys) -> Layer:
    heads = keys.size("num_heads")
    value_dim = keys.size("hidden_size") // heads
    return Mlstm(heads=heads, key_dim=value_dim // 2, value_dim=value_dim)


def _nothing(keys: Keys) -> Layer:
    return NoCache()


KINDS: dict[str, Callable[[Keys], Layer]] = {
    "full_attention": _full,
    "sliding_attention": _sliding,
    "chunked_attention": _chunked,
    "indexed_attention": _indexed,
    "index_shared_attention": _index_shared,
    "minimax_m3_sparse": _indexed,
    "compressed_sparse_attention": _compressed(4),
    "heavily_compressed_attention": _compressed(128),
    "linear_attention": _linear,
    "conv": _convolution,
    "hybrid": _hybrid,
    "hybrid_sliding": _hybrid_sliding,
    "mlstm": _mlstm,
    "lightning_attention": _lightning,
    "cross_attention": _cross,
    "moe": _nothing,
    "mlp": _nothing,
}
"""The rules by layer type, in transformers' spelling."""


def layer_of(kind: str, keys: Keys) -> Layer:
    """Make a layer of its type.

    Raises:
        SourceError: the type is unknown, or the file does not give the sizes.
    """
    if kind not in KINDS:
        raise SourceError(f"layer_types: found {quote(kind)}, expected one of {', '.join(KINDS)}")
    return KINDS[kind](keys)
