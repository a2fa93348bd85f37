"""What vLLM loads on a rank: each tensor's part, what it keeps beside, and stage by stage.

`shards` has how a tensor is divided, `elements` what an element takes, `kept` the tables and
buffers.
"""

from collections import Counter
from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.stages import stage_sizes
from kvcalc.engines.vllm.weights import kept
from kvcalc.engines.vllm.weights.elements import element_bytes
from kvcalc.engines.vllm.weights.formats import HOPPER, UNKNOWN, expert_bias, quantised
from kvcalc.engines.vllm.weights.shards import WHOLE, Ranks, divided, on_rank
from kvcalc.engines.weights import Loaded, Weigh
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.model import Model
from kvcalc.parameters.quantization import Format
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tensor import Tensor

WHOLE_TOWERS = frozenset({"gemma4"})
"""Towers that transformers' classes build: whole on every rank (models/gemma4_mm.py)."""

ENDS_EVERYWHERE = frozenset({"gpt_oss"})
"""Model types whose embedding, head and last norm each stage holds (models/gpt_oss.py)."""


class Stage(NamedTuple):
    """The places of a pipeline stage's layers, and whether it is the first and the last."""

    places: range
    first: bool
    last: bool


def weigh(model: Model, settings: VllmSettings) -> Loaded | None:
    """What a rank of each stage loads; None where no rule is known for the model or its format.

    Raises:
        UnsupportedError: the ranks do not divide the model.
    """
    if model.tensors is None or model.sizes is None:
        return None
    if {(kind, settings.generation) for kind in _expert_formats(model)} & UNKNOWN:
        return None
    for cache, _ in model.caches:
        if isinstance(cache, Attention) and cache.query_heads:
            divided(cache.query_heads, settings.tensor_parallel_size, "attention heads")
    left_out = {"mtp", "vision"} if settings.language_model_only else {"mtp"}
    tensors = [tensor for tensor in model.tensors if tensor.component not in left_out]
    sizes = stage_sizes(
        len(model.layers), settings.pipeline_parallel_size, settings.pp_layer_partition
    )
    stages, start = [], 0
    for place, size in enumerate(sizes):
        stage = Stage(range(start, start + size), place == 0, place == len(sizes) - 1)
        stages.append(_stage(model, model.sizes, tensors, stage, settings))
        start += size
    return Loaded(tuple(stages))


def _stage(
    model: Model, sizes: Sizes, tensors: list[Tensor], stage: Stage, settings: VllmSettings
) -> Mapping[str, int]:
    parts: Counter[str] = Counter()
    for tensor in tensors:
        for kind, times in _stored(tensor, stage, model, sizes).items():
            parts[tensor.component] += times * _bytes(tensor, kind, model, sizes, settings)
    for buffer in kept.buffers(model, sizes, settings):
        if stage.first or not buffer.first_stage:
            parts[buffer.part] += buffer.bytes
    layers = model.layers[stage.places.start : stage.places.stop]
    parts[kept.BUFFERS] += kept.kept(model, sizes, layers, settings)
    return dict(parts)


def _stored(
    tensor: Tensor, stage: Stage, model: Model, sizes: Sizes
) -> Mapping[Format | None, int]:
    """How often a stage has a tensor, by the format in which it is stored.

    A tied embedding stands at both ends of the pipeline.
    """
    stored: Counter[Format | None] = Counter()
    if tensor.layers:
        for place in tensor.layers:
            if place in stage.places:
                stored[model.format_of(tensor, place)] += tensor.copies
        return stored
    here = stage.first if tensor.component == "vision" else stage.last
    if tensor.component == "embedding":
        here = stage.first or (sizes.tie_word_embeddings and stage.last)
    if tensor.component != "vision" and model.model_type in ENDS_EVERYWHERE:
        here = True
    return {model.format_of(tensor, None): tensor.copies} if here else {}


def _bytes(
    tensor: Tensor, kind: Format | None, model: Model, sizes: Sizes, settings: VllmSettings
) -> int:
    """Bytes of one tensor's part on a rank."""
    over = settings.tensor_parallel_size
    ranks = Ranks(over, over * settings.data_parallel_size, settings.enable_expert_parallel)
    tower = sizes.tower
    if tensor.component == "vision" and tower is not None and tower.kind in WHOLE_TOWERS:
        ranks = ranks._replace(tensor=1)
    if tensor.role in WHOLE.get(model.model_type or "", ()):
        ranks = ranks._replace(tensor=1)
    shape = on_rank(tensor, ranks, _kv_heads(tensor, model))
    if kind is not None and model.quantization is not None:
        own = quantised(tensor, kind, shape, model.quantization, sizes, settings.generation)
        if tensor.role == "kv_b":
            own += 2 * prod(shape)  # W_UK and W_UV in bfloat16 (attention/mla_attention.py)
        return own
    if "mxfp4" in _expert_formats(model) and tensor.role.endswith("_bias") and len(shape) == 2:
        return expert_bias(tensor.role, shape, settings.generation or HOPPER)
    count = prod(shape)
    if sizes.values_are_keys and tensor.role == "k" and _full(tensor, model):
        count *= 2  # a projection of values is made though the file has none (models/gemma4.py)
    return count * element_bytes(tensor, model)


def _kv_heads(tensor: Tensor, model: Model) -> int:
    """The KV heads of a tensor's layer; 1 where that has none."""
    caches = model.layers[tensor.layers[0]].caches if tensor.layers else ()
    return next((cache.kv_heads for cache in caches if isinstance(cache, Attention)), 1)


def _expert_formats(model: Model) -> set[Format | None]:
    """The formats of the experts of a quantised model."""
    return {
        model.format_of(tensor, tensor.layers[0])
        for tensor in model.tensors or ()
        if tensor.role == "expert_down"
    }


def _full(tensor: Tensor, model: Model) -> bool:
    return isinstance(model.layers[tensor.layers[0]], FullAttention)


WEIGHTS: Weigh = weigh
