"""Bytes of one tensor's part on a rank: how it is divided, and in what it is stored."""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple, Self

from kvcalc.engines.run_in import run_in
from kvcalc.engines.shards import Ranks, kv_heads_of, on_rank
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights.elements import element_bytes
from kvcalc.engines.vllm.weights.formats import HOPPER, Kernels, expert_bias, quantised
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.parameters.quantization import Format
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tensor import Role, Tensor

WHOLE_TOWERS = frozenset({"gemma4", "pixtral"})
"""Towers that are whole on every rank: one that transformers' classes build (models/gemma4_mm.py),
and one of which starts of 0.19.0 on 1, 2 and 4 GPUs load as much each (Mistral-Small-3.1)."""

WHOLE: Mapping[str, frozenset[Role]] = {"deepseek_v4": frozenset({"sinks"})}
"""What a model type keeps whole on each rank, where others divide it."""

SPLIT_PROJECTION = frozenset({"exaone_moe", "qwen3_next", "qwen3_5", "qwen3_5_moe"})
"""Model types whose drafts divide their projection; others have it whole (models/*_mtp.py)."""


class Layout(NamedTuple):
    """What decides how tensors lie on a rank: how many share them, the kernels, and the type."""

    tensor_parallel_size: int
    all_ranks: int
    whole_experts: bool
    kernels: Kernels
    own: str

    @classmethod
    def of(cls, model: Model, settings: VllmSettings) -> Self:
        """Take it from the settings; without a quantisation it is the same on every GPU."""
        ranks = settings.tensor_parallel_size
        generation = settings.generation if model.quantization is not None else None
        return cls(
            ranks,
            ranks * settings.data_parallel_size,
            settings.enable_expert_parallel,
            Kernels(
                HOPPER if generation is None else generation, settings.rules.flashinfer_mxfp4_step
            ),
            run_in(model, settings.kv_cache_dtype),
        )


def bytes_on_rank(
    tensor: Tensor, kind: Format | None, layer: Layer | None, model: Model, layout: Layout
) -> int:
    """Bytes of one tensor's part on a rank; `layer` is the one that it stands in, if any.

    Raises:
        UnsupportedError: the ranks do not divide it.
    """
    sizes = model.sizes
    assert sizes is not None
    over = 1 if _is_whole(tensor, model, sizes) else layout.tensor_parallel_size
    ranks = Ranks(over, layout.all_ranks, layout.whole_experts)
    shape = on_rank(tensor, ranks, kv_heads_of(layer))
    kernels = layout.kernels
    if kind is not None and model.quantization is not None:
        own = quantised(tensor, kind, shape, model.quantization, sizes, kernels)
        if tensor.role == "kv_b":
            own += 2 * prod(shape)  # W_UK and W_UV in bfloat16 (attention/mla_attention.py)
        return own
    if tensor.role in ("expert_up_bias", "expert_down_bias") and "mxfp4" in expert_formats(model):
        return expert_bias(tensor.role, shape, kernels)
    count = prod(shape)
    if sizes.values_are_keys and tensor.role == "k" and isinstance(layer, FullAttention):
        count *= 2  # a projection of values is made though the file has none (models/gemma4.py)
    return count * element_bytes(tensor, model, layout.own)


def _is_whole(tensor: Tensor, model: Model, sizes: Sizes) -> bool:
    """Whether a rank has all of a tensor that others divide by its role."""
    own = model.model_type or ""
    if tensor.role == "mtp_projection":
        return own not in SPLIT_PROJECTION
    if tensor.component == "vision":
        return sizes.tower is not None and sizes.tower.kind in WHOLE_TOWERS
    return tensor.role in WHOLE.get(own, ())


def expert_formats(model: Model) -> set[Format | None]:
    """The formats of a model's experts."""
    return {
        model.format_of(tensor, tensor.layers[0])
        for tensor in model.tensors or ()
        if tensor.role == "expert_down"
    }
