"""What vLLM keeps on a rank beside weights, and "Model loading took" counts: tables and buffers.

vLLM 0.33.0, measured (tests/oracles/vllm_weights.json).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from kvcalc.dtypes import dtype
from kvcalc.engines.run_in import run_in
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.layers.attention import Attention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.parameters.sizes import Sizes

SCALE_BYTES = 24
"""Six float32 scales of each attention layer (attention/layer.py)."""

WIDE_ROPES = frozenset({"gpt_oss", "deepseek_v4"})
"""Model types whose tables of rotary positions are float32; of the others the model's type."""

VIDEO_TIMES = 4
"""How much longer a table that videos reach is than the model's positions
(model_executor/layers/rotary_embedding/mrope.py, cache_max_position_num; read)."""

ROPE_TABLE, BUFFERS = "rope table", "buffers"


class Buffer(NamedTuple):
    """A buffer: its part, its bytes, and whether each stage has it or the first alone."""

    part: str
    bytes: int
    first_stage: bool = False


def of_layers(model: Model, sizes: Sizes, layers: tuple[Layer, ...], settings: VllmSettings) -> int:
    """Bytes that each layer of a stage keeps beside its weights."""
    different = {id(layer): layer for layer in layers}  # few objects, though there are many layers
    attend = {key for key, layer in different.items() if _attention(layer)}
    attending = sum(id(layer) in attend for layer in layers)
    if model.model_type == "deepseek_v4":
        return 0
    own = PER_LAYER.get(model.model_type or "")
    more = sum(own(layer, sizes, settings.batch) for layer in layers) if own else 0
    return SCALE_BYTES * attending + more


def _attention(layer: Layer) -> bool:
    kinds = (Attention, LatentAttention, CompressedAttention)
    return any(isinstance(cache, kinds) for cache in layer.caches)


def _gemma4(layer: Layer, sizes: Sizes, batch: int) -> int:
    """The values' norm, the router's norm and root, and the layer's scalar, in bfloat16."""
    (cache,) = layer.caches
    dim = cache.head_dim if isinstance(cache, Attention) else 0
    router = sizes.hidden_size + 1 if sizes.experts else 0
    return 2 * (dim + router + 1)


def _llama4(layer: Layer, sizes: Sizes, batch: int) -> int:
    """A float32 norm of queries and keys in layers with rotary positions."""
    (cache,) = layer.caches
    return 4 * cache.head_dim if isinstance(cache, ChunkedAttention) else 0


def _sparse(layer: Layer, sizes: Sizes, batch: int) -> int:
    """Where each sequence of a batch begins, of the sparse kernels."""
    sparse = any(isinstance(cache, LatentAttention) and cache.sparse for cache in layer.caches)
    return 4 * (batch + 1) if sparse else 0


PER_LAYER: Mapping[str, Callable[[Layer, Sizes, int], int]] = {
    "gemma4": _gemma4,
    "llama4": _llama4,
    "glm_moe_dsa": _sparse,
    "deepseek_v32": _sparse,
}
"""What a layer keeps beside its scales, by model type."""

VISION_ROPE = 8_192 * 36 * 2
"""Rotary positions of the Qwen towers: 8,192 of 36 elements (models/qwen3_vl.py)."""


def of_stages(model: Model, sizes: Sizes, settings: VllmSettings) -> Iterator[Buffer]:
    """What each stage keeps, and what the first alone."""
    element = (
        4
        if model.model_type in WIDE_ROPES
        else dtype(run_in(model, settings.kv_cache_dtype)).row_bytes(1)
    )
    times = VIDEO_TIMES if model.model_type in settings.rules.video_positions else 1
    for positions, width in sizes.ropes:
        yield Buffer(ROPE_TABLE, times * positions * width * element)
    if sizes.index_topk:
        yield Buffer(BUFFERS, settings.batch * sizes.index_topk * 4)
    if sizes.hc_mult:
        mixes = (2 + sizes.hc_mult) * sizes.hc_mult
        yield Buffer(BUFFERS, 4 * mixes * sizes.hidden_size, first_stage=True)
    tower = None if settings.language_model_only else sizes.tower
    if tower is not None and tower.kind in TOWERS:
        yield Buffer(BUFFERS, TOWERS[tower.kind], first_stage=True)
    if tower is not None and tower.deepstack:
        rows = tower.deepstack * settings.batch * sizes.hidden_size * 2
        yield Buffer(BUFFERS, rows, first_stage=True)
    if model.model_type in ("gemma3", "gemma4"):
        yield Buffer(BUFFERS, 2, first_stage=True)  # the embedding's normalizer


TOWERS: Mapping[str, int] = {
    "qwen3_vl": VISION_ROPE,
    "llama4": 1_025 * 24 * 8,  # complex rotary positions of the largest image's patches
    "gemma3": 4_096 * 8,  # the places of the patches, int64
    "gemma4": 3 * 1_152 * 2 + 2 * 18 * 4,  # scale and bias, a norm, and two rows of frequencies
}
"""Buffers of a tower."""
