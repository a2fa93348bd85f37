"""From a model's layers to their caches in vLLM's pool on one rank: one rule per kind of layer."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kvcalc.engines.vllm import formats, pooled_index, states
from kvcalc.engines.vllm.caches import (
    Cache,
    ChunkedCache,
    CrossCache,
    FullCache,
    LatentCache,
    Row,
    SlidingCache,
    StateCache,
    index_row,
)
from kvcalc.engines.vllm.checkpoints import checkpoint_blocks
from kvcalc.engines.vllm.compressed import compressed_caches
from kvcalc.engines.vllm.kernels import ALIASES, BACKENDS, INDEXER
from kvcalc.engines.vllm.plan_context import PlanContext
from kvcalc.errors import UnsupportedError
from kvcalc.layers.layer import Layer
from kvcalc.units import plural

if TYPE_CHECKING:
    from kvcalc.layers.attention import FullAttention, SlidingAttention
    from kvcalc.layers.chunked import ChunkedAttention
    from kvcalc.layers.cross import CrossAttention
    from kvcalc.layers.latent import LatentAttention
    from kvcalc.layers.recurrent import Recurrent


def caches_of(rank: PlanContext, layer: Layer, unquantised: bool = False) -> list[Cache]:
    """The caches of a layer, states first; `unquantised` in the model's own type.

    Raises:
        UnsupportedError: vLLM cannot run such a layer; the sentence names its kind.
    """
    found: list[Cache] = []
    for cache in sorted(layer.caches, key=lambda one: one.kind not in states.SHAPES):
        rule = KINDS.get(cache.kind)
        if rule is None:
            raise UnsupportedError(
                f"vllm does not support {cache.kind} layers", what=f"{cache.kind} layers"
            )
        found += rule(rank, cache, rank.own_format if unquantised else rank.cache_format)
    return found


def _full(rank: PlanContext, layer: "FullAttention", form: str) -> list[Cache]:
    paged = rank.paged(rank.heads(layer), form)
    return [
        FullCache(layer="full_attention", **paged, shards=rank.shards),
        *_index_of_heads(rank, layer),
    ]


def _index_of_heads(rank: PlanContext, layer: "FullAttention") -> list[Cache]:
    """The keys of an indexer beside keys and values, in a type of their own."""
    size = layer.index_head_dim
    if size is None:
        return []
    if layer.index_pool is not None:
        return pooled_index.beside_heads(rank, size, layer.index_pool)
    element = pooled_index.index_element(rank.settings)
    return [
        FullCache(
            layer="full_attention",
            shape=("indexer", size, element),
            block=rank.block,
            page=rank.block * size * element,
            row=Row(size * element, f"{size} x {plural(element, 'byte')}"),
            shards=rank.shards,
        )
    ]


def _sliding(rank: PlanContext, layer: "SlidingAttention", form: str) -> list[Cache]:
    heads = rank.heads(layer)
    if not rank.settings.rules.sliding_values:
        heads = heads._replace(value=heads.key)
    token = formats.token_bytes(heads, form)
    kernels = rank.kernels(heads, form)
    # A sliding layer's block is its own: as long as its kernels take of the page that it may fill.
    block = kernels.longest_block((rank.shared_page or token * rank.block) // token)
    if rank.shared_page is not None and rank.shared_page < token * block:
        raise UnsupportedError.of(
            "kv_cache_dtype_skip_layers",
            f"found sliding layers of {token} bytes per token, which do not fit in the page "
            f"of {rank.shared_page} bytes of the other layers",
        )
    return [
        SlidingCache(
            layer="sliding_attention",
            shape=(heads, form),
            block=block,
            page=rank.shared_page or token * block,
            padding=rank.shared_page - token * block if rank.shared_page else 0,
            alignment=kernels.stride(block, token),
            token=token,
            kernels=kernels,
            padded=rank.shared_page is not None,
            row=Row(token, formats.token_words(heads, form)),
            window=layer.window,
            retained=rank.retained(layer.window),
        )
    ]


def _chunked(rank: PlanContext, layer: "ChunkedAttention", form: str) -> list[Cache]:
    heads = rank.heads(layer)
    return [
        ChunkedCache(
            layer="chunked_attention",
            **rank.paged(heads, form),
            token=formats.token_bytes(heads, form),
            kernels=rank.kernels(heads, form),
            chunk=layer.chunk,
            retained=layer.chunk + rank.in_flight,
        )
    ]


def _cross(rank: PlanContext, layer: "CrossAttention", form: str) -> list[Cache]:
    paged = rank.paged(rank.heads(layer), form)
    return [CrossCache(layer="cross_attention", **paged, encoder_tokens=rank.encoder_tokens)]


def _latent(rank: PlanContext, layer: "LatentAttention", form: str) -> list[Cache]:
    if layer.window is not None:
        raise UnsupportedError(
            "vllm does not support latent_attention layers with a window",
            what="latent_attention layers with a window",
        )
    form = ALIASES.get((rank.backend, form), form) if layer.sparse else form
    row = formats.row_bytes(layer.kv_lora_rank, layer.qk_rope_head_dim, form)
    caches: list[Cache] = [
        LatentCache(
            layer="latent_attention",
            shape=(layer.kv_lora_rank, layer.qk_rope_head_dim, form),
            block=rank.block,
            page=rank.block * row,
            row=Row(row, formats.row_words(layer.kv_lora_rank, layer.qk_rope_head_dim, form)),
            alignment=_row_stride(rank, layer, form, row),
            shards=rank.shards,
        )
    ]
    if layer.index_head_dim is not None and layer.index_pool is not None:
        caches += pooled_index.beside_rows(rank, layer.index_head_dim, layer.index_pool)
    elif layer.index_head_dim is not None:
        key = layer.index_head_dim
        index = key + 4 * (key // 128)
        caches.append(
            LatentCache(
                layer="latent_attention",
                shape=("indexer", key),
                block=rank.block,
                page=rank.block * index,
                row=index_row(index),
                alignment=INDEXER.stride(rank.block, index),
                shards=rank.shards,
            )
        )
    return caches


ROWS_OF_A_PAGE = {
    "FLASHINFER_MLA_SPARSE": 32,
    "FLASHINFER_MLA_SPARSE_SM90": 1,
    "FLASHINFER_MLA_SPARSE_SM120": 64,
    "FLASH_ATTN_MLA_SPARSE_FA4": 64,
    "ROCM_AITER_MLA_SPARSE": 1,
}
"""Backends of sparse attention that read rows as pages of that many, whatever their format."""


def _row_stride(rank: PlanContext, layer: "LatentAttention", form: str, row: int) -> int:
    """Bytes that blocks of rows begin at multiples of, where they are packed.

    Sparse kernels read one array of rows (v1/attention/backends/mla/*_sparse.py, customize_spec);
    FlashMLA's quantised ones read pages of 64, which matters where a block has several, but on
    compute capability 10.x.
    """
    if not layer.sparse:
        return BACKENDS[rank.backend].stride(rank.block, row)
    if rank.backend in ROWS_OF_A_PAGE:
        return ROWS_OF_A_PAGE[rank.backend] * row
    if formats.PLAIN.get(form, 1) > 1 or rank.settings.generation == 10:
        return row
    return INDEXER.stride(rank.block, row)


def _recurrent(rank: PlanContext, layer: "Recurrent", form: str) -> list[Cache]:
    state, settings = state_of(rank, layer), rank.settings
    mode = settings.states_mode(layer.kind)
    checkpoint = checkpoint_blocks(layer, rank.model, settings)
    drafts = settings.drafts if mode in settings.rules.draft_states else 0
    return [
        StateCache(
            layer=layer.kind,
            shape=(layer, state),
            block=0 if mode == "none" else rank.block,
            page=rank.state_page or state,
            padding=rank.state_page - state if rank.state_page else 0,
            state=state,
            blocks_held={"none": 1, "align": 2 + checkpoint, "all": 0}[mode] + drafts,
            checkpoint=checkpoint,
            each_block=mode == "all",
            replicated=layer.kind == "ngram_embedding",
        )
    ]


def state_of(rank: PlanContext, layer: "Recurrent") -> int:
    """Bytes of one sequence's state of a layer on the rank."""
    return states.state_bytes(
        layer,
        model_dtype=rank.own_format,
        model_type=rank.model.model_type,
        ssm_dtype=rank.settings.mamba_ssm_cache_dtype,
        ranks=rank.settings.tensor_parallel_size,
        drafts=rank.settings.drafts,
    )


def _nothing(rank: PlanContext, layer: Layer, form: str) -> list[Cache]:
    return []


KINDS: Mapping[str, Callable[[PlanContext, Any, str], list[Cache]]] = {
    "full_attention": _full,
    "sliding_attention": _sliding,
    "chunked_attention": _chunked,
    "cross_attention": _cross,
    "latent_attention": _latent,
    "compressed_attention": compressed_caches,
    **dict.fromkeys(states.SHAPES, _recurrent),
    "shared_cache": _nothing,
    "no_cache": _nothing,
}
"""The kinds of layers that vLLM runs; of the recurrent ones those whose states are known."""
