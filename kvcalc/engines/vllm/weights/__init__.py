"""What vLLM loads on a rank: each tensor's part, what it keeps beside, and stage by stage.

`shards` has how a tensor is divided, `elements` what an element takes, `kept` the tables and
buffers.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.stages import stage_sizes
from kvcalc.engines.vllm.weights import kept
from kvcalc.engines.vllm.weights.elements import element_bytes
from kvcalc.engines.vllm.weights.shards import Ranks, divided, elements
from kvcalc.engines.weights import Loaded, Weigh
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.model import Model
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
    """What a rank of each stage loads; None where no rule is known for the model's type.

    Raises:
        UnsupportedError: the ranks do not divide the model.
    """
    if model.tensors is None or model.sizes is None:
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
        if times := _times(tensor, stage, model, sizes):
            parts[tensor.component] += times * _bytes(tensor, model, sizes, settings)
    for buffer in kept.buffers(model, sizes, settings):
        if stage.first or not buffer.first_stage:
            parts[buffer.part] += buffer.bytes
    layers = model.layers[stage.places.start : stage.places.stop]
    parts[kept.BUFFERS] += kept.kept(model, sizes, layers, settings)
    return dict(parts)


def _times(tensor: Tensor, stage: Stage, model: Model, sizes: Sizes) -> int:
    """How often a stage has a tensor: a tied embedding stands at both ends of the pipeline."""
    if tensor.layers:
        return tensor.copies * sum(place in stage.places for place in tensor.layers)
    if tensor.component == "vision":
        return tensor.copies * stage.first
    here = stage.last
    if tensor.component == "embedding":
        here = stage.first or (sizes.tie_word_embeddings and stage.last)
    return tensor.copies * (here or model.model_type in ENDS_EVERYWHERE)


def _bytes(tensor: Tensor, model: Model, sizes: Sizes, settings: VllmSettings) -> int:
    """Bytes of one tensor's part on a rank."""
    over = settings.tensor_parallel_size
    ranks = Ranks(over, over * settings.data_parallel_size, settings.enable_expert_parallel)
    tower = sizes.tower
    if tensor.component == "vision" and tower is not None and tower.kind in WHOLE_TOWERS:
        ranks = ranks._replace(tensor=1)
    count = elements(tensor, ranks, _kv_heads(tensor, model))
    if sizes.values_are_keys and tensor.role == "k" and _full(tensor, model):
        count *= 2  # a projection of values is made though the file has none (models/gemma4.py)
    return count * element_bytes(tensor, model)


def _kv_heads(tensor: Tensor, model: Model) -> int:
    """The KV heads of a tensor's layer; 1 where that has none."""
    caches = model.layers[tensor.layers[0]].caches if tensor.layers else ()
    return next((cache.kv_heads for cache in caches if isinstance(cache, Attention)), 1)


def _full(tensor: Tensor, model: Model) -> bool:
    return isinstance(model.layers[tensor.layers[0]], FullAttention)


WEIGHTS: Weigh = weigh
