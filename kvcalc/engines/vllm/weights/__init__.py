"""What vLLM loads on a rank: each tensor's part, what it keeps beside, and stage by stage.

`shards` has how a tensor is divided, `formats` and `elements` what it is stored in, `tensors` the
bytes that follow, `kept` the tables and buffers, `draft` what MTP's layers add.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kvcalc.engines.shards import divided
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.stages import stage_sizes
from kvcalc.engines.vllm.weights import kept
from kvcalc.engines.vllm.weights.draft import draft_bytes
from kvcalc.engines.vllm.weights.formats import UNKNOWN
from kvcalc.engines.vllm.weights.tensors import bytes_on_rank, expert_formats
from kvcalc.engines.weights import Loaded, Weigh
from kvcalc.layers.attention import Attention
from kvcalc.model import Model
from kvcalc.parameters.quantization import Format
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.stored import Stored
from kvcalc.parameters.tensor import Tensor

ENDS_EVERYWHERE = frozenset({"gpt_oss"})
"""Model types whose embedding, head and last norm each stage holds (models/gpt_oss.py)."""


APART = "the weights of its EAGLE draft, a model of its own, are not counted"


class Stage(NamedTuple):
    """The places of a pipeline stage's layers, and whether it is the first and the last."""

    places: range
    first: bool
    last: bool


def weigh(model: Model, settings: VllmSettings, stored: Sequence[Stored] = ()) -> Loaded | None:
    """What a rank of each stage loads; None where no rule is known for the model or its format.

    Of a GGUF file, whose tensors are `stored`, none is.

    Raises:
        UnsupportedError: the ranks do not divide the model.
    """
    if model.tensors is None or model.sizes is None or stored:
        return None
    if {(kind, settings.generation) for kind in expert_formats(model)} & UNKNOWN:
        return None
    drafts = settings.speculative_method
    if drafts == "mtp" and model.sizes.mtp_mlp is None:
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
    if drafts == "mtp":
        stages[-1] = {**stages[-1], "draft": draft_bytes(model, settings)}
    return Loaded(tuple(stages), APART if drafts.startswith("eagle") else "")


def _stage(
    model: Model, sizes: Sizes, tensors: list[Tensor], stage: Stage, settings: VllmSettings
) -> Mapping[str, int]:
    parts: Counter[str] = Counter()
    for tensor in tensors:
        for kind, times in _stored(tensor, stage, model, sizes).items():
            layer = model.layers[tensor.layers[0]] if tensor.layers else None
            parts[tensor.component] += times * bytes_on_rank(tensor, kind, layer, model, settings)
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


WEIGHTS: Weigh = weigh
