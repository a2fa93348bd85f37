"""The formats of weights by the names that people give them, and what each makes of a model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvcalc.dtypes import ALIASES as OTHER_DTYPES
from kvcalc.dtypes import DTYPES
from kvcalc.parameters.gguf_mixes import MIXES
from kvcalc.parameters.quantization import Quantization
from kvcalc.parameters.quantized_gguf import mixed
from kvcalc.parameters.tensor import Tensor
from kvcalc.spelling import spelled

if TYPE_CHECKING:
    from kvcalc.model import Model
    from kvcalc.parameters.stored import Stored

GROUP = 128
"""Elements that share a scale, or a block's side, unless a name says otherwise: what AutoAWQ,
GPTQModel and llm-compressor take by themselves, and DeepSeek's and Qwen's own FP8 has."""

CHECKPOINTS: Mapping[str, Quantization] = {
    "fp8": Quantization(method="fp8", format="fp8_block", group_size=GROUP),
    "fp8_channel": Quantization(method="compressed-tensors", format="fp8_channel"),
    "fp8_tensor": Quantization(method="modelopt", format="fp8_tensor"),
    "awq": Quantization(method="awq", format="awq", group_size=GROUP),
    "gptq": Quantization(method="gptq", format="gptq", group_size=GROUP),
    "w4a16": Quantization(method="compressed-tensors", format="int4", group_size=GROUP),
    "nvfp4": Quantization(method="modelopt", format="nvfp4"),
    "mxfp4": Quantization(method="mxfp4", format="mxfp4"),
}
"""Formats of a checkpoint's linears; embedding, head, norms and routers are kept as they were."""

MLX_BITS = {f"{bits}bit": bits for bits in (2, 3, 4, 5, 6, 8)}
MLX_GROUP = 64
"""Elements that share a scale and a bias of 16 bits (mlx_lm 0.32.2, utils.py: quantize_model).

It packs the rows of every linear and embedding that are whole groups.
"""

ALIASES = {
    "gptq-int4": "gptq",
    "awq-int4": "awq",
    "fp8_block": "fp8",
    **{f"Q{bits}_K": f"Q{bits}_K_M" for bits in (3, 4, 5)},
    **{f"mlx-{name}": name for name in MLX_BITS},
}

NAMES = tuple(dict.fromkeys((*DTYPES, *CHECKPOINTS, *MIXES, *MLX_BITS)))
"""All formats by name; the element types count every parameter alike."""


def named(text: str) -> str | None:
    """Find a format by its name, in any case; None where there is none."""
    return spelled(text, NAMES, {**OTHER_DTYPES, **ALIASES})


@dataclass(frozen=True)
class Packed:
    """Bytes of a model's weights in a format; `tensors` are those of a GGUF file, one by one."""

    bytes: int
    tensors: "tuple[Stored, ...]" = ()


def packed(model: "Model", name: str) -> Packed | None:
    """What a format makes of a model's tensors; None for an element type, or without tensors.

    Raises:
        UnsupportedError: how the format stores one of the tensors is not known.
    """
    if model.tensors is None:
        return None
    if name in CHECKPOINTS:
        quantised = model.model_copy(update={"quantization": CHECKPOINTS[name]})
        return Packed(quantised.stored_bytes() or 0)
    layers = len(model.layers)
    if name in MIXES:
        stored = tuple(mixed(name, model.tensors, model.model_type, layers))
        return Packed(sum(one.bytes for one in stored), stored)
    if name in MLX_BITS:
        own = (one for one in model.tensors if max(one.layers, default=0) < layers)
        return Packed(sum(_mlx_bytes(own, MLX_BITS[name])))
    return None


def _mlx_bytes(tensors: Iterable[Tensor], bits: int) -> Iterable[int]:
    for tensor in tensors:
        whole = len(tensor.shape) > 1 and tensor.shape[-1] % MLX_GROUP == 0
        if whole and not tensor.role.endswith("bias"):
            groups = tensor.elements // MLX_GROUP
            yield groups * (MLX_GROUP * bits // 8 + 4)
        else:
            yield 2 * tensor.elements
