"""What a quantised linear takes once vLLM has loaded it: its kernel may lay scales out anew.

vLLM 0.33.0, model_executor/layers/quantization and fused_moe/oracle; measured
(tests/oracles/vllm_weights.json) on compute capabilities 8.0, 9.0 and 10.0; mxfp4 past Hopper is
read, in the releases of which each row of `releases` is.
"""

from collections.abc import Callable, Mapping
from math import gcd
from typing import NamedTuple

from kvcalc.errors import UnsupportedError
from kvcalc.parameters.quantization import LINEAR, Format, Quantization, ceil_div
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tensor import Role, Tensor

HOPPER, BLACKWELL = 9, 10


class Kernels(NamedTuple):
    """What decides how kernels lay weights out: the GPU's generation, a Hopper's without one.

    `flashinfer_step` is what FlashInfer's kernels pad the width of mxfp4 experts to.
    """

    generation: int
    flashinfer_step: int

    @property
    def step(self) -> int:
        """What the width of mxfp4 experts is padded to: by FlashInfer's kernels or by Marlin's."""
        return self.flashinfer_step if self.generation == BLACKWELL else 128


ACTIVATION_SCALARS = 3 * 4
"""Bytes of scalars of each expert's activation on FlashInfer's kernels (trtllm_mxfp4_moe.py)."""

SCALARS: Mapping[Format, int] = {"fp8_tensor": 8, "int4": 16, "nvfp4": 16, "w4a16_nvfp4": 4}
"""Bytes of scalars of each fused linear; a format that is not here has none."""

EXPERT_SCALARS: Mapping[str, Mapping[Format, int]] = {
    "compressed-tensors": {"int4": 8, "nvfp4": 32},
    "modelopt": {"nvfp4": 8, "fp8_tensor": 16},
}
"""Bytes of scalars of each expert, by the method of the file."""

FOLLOWING: frozenset[Role] = frozenset(
    {"k", "v", "shared_up", "delta_z", "delta_a", "kv_a", "kv", "up"}
)
"""Linears that are fused behind another, whose scalars are theirs too."""


def linear(kind: Format, rows: int, columns: int, group: int, kernels: Kernels) -> int:
    """Bytes of a linear's part on a rank, its scalars apart."""
    by_kernel = {
        ("fp8_block", BLACKWELL): rows * columns + 4 * rows * ceil_div(columns, 4 * group),
        ("fp8_block", 8): rows * columns + 2 * rows * ceil_div(columns, group),
        ("awq", HOPPER): rows * columns // 2 + 4 * rows * ceil_div(columns, group),
    }
    return by_kernel.get((kind, kernels.generation)) or LINEAR[kind](rows, columns, group)


def padded(size: int, to: int) -> int:
    """The next multiple."""
    return ceil_div(size, to) * to


def experts(
    kind: Format, role: Role, shape: tuple[int, ...], group: int, kernels: Kernels, gated: bool
) -> int:
    """Bytes of a rank's experts: one of their two linears, its scalars apart.

    Raises:
        UnsupportedError: vLLM refuses their width, or its layout is not known.
    """
    count, rows, columns = shape
    up = role != "expert_down"
    width = columns if not up else rows // 2 if gated else rows
    hidden = columns if up else rows
    double = 2 if up and gated else 1
    rule = EXPERTS.get(kind)
    return (
        count * rule(double, width, hidden, group, kernels, up)
        if rule
        else count * (LINEAR[kind](rows, columns, group))
    )


def _block(double: int, width: int, hidden: int, group: int, kernels: Kernels, up: bool) -> int:
    """A block is as large as divides the width of a rank's part."""
    side = gcd(group, width)
    return double * (width * hidden + 4 * (width // side) * ceil_div(hidden, side))


def _int4(double: int, width: int, hidden: int, group: int, kernels: Kernels, up: bool) -> int:
    if width % group:
        raise UnsupportedError.of(
            "tensor_parallel_size",
            f"gives a rank {width} columns of an expert, expected a multiple of the {group} that "
            "share a scale",
        )
    return double * LINEAR["int4"](*(width, hidden) if up else (hidden, width), group)


def _nvfp4(double: int, width: int, hidden: int, group: int, kernels: Kernels, up: bool) -> int:
    """Marlin's kernels pad the width, and whole groups of scales (marlin_utils_fp4.py)."""
    more = 0
    if kernels.generation < BLACKWELL:
        more = padded(width, 128 if hidden % 128 else 64) - width
    wide = width + more
    scales = wide * ceil_div(hidden, 16) if up else hidden * (width // 16 + more // 16)
    return double * (wide * hidden // 2 + scales)


READ_ON_BLACKWELL: frozenset[tuple[str, int]] = frozenset({("mxfp4", 10), ("mxfp4", 12)})
"""Methods and generations past Hopper whose layout of mxfp4 experts was read: gpt-oss's own.

fused_moe/oracle/mxfp4.py (select_mxfp4_moe_backend) of 0.15 to 0.33: FlashInfer's kernels on
compute capability 10.x, Marlin's on 12.x, where Triton's are excluded or come after.
"""


def is_known(kind: Format | None, method: str, generation: int | None) -> bool:
    """Whether the layout of experts of a format is, on a GPU of this generation."""
    past_hopper = generation is not None and generation >= BLACKWELL
    return kind != "mxfp4" or not past_hopper or (method, generation or 0) in READ_ON_BLACKWELL


def _mxfp4(double: int, width: int, hidden: int, group: int, kernels: Kernels, up: bool) -> int:
    """Triton's kernels on Hopper pad rows of scales, the others the sizes themselves."""
    if kernels.generation == HOPPER:
        wide = padded(width, 64)
        rows, columns = (double * wide, hidden) if up else (hidden, wide)
        return rows * columns // 2 + padded(rows, 256) * padded(columns // 32, 4)
    return double * padded(width, kernels.step) * padded(hidden, 256) * 17 // 32


EXPERTS: Mapping[Format, Callable[[int, int, int, int, Kernels, bool], int]] = {
    "fp8_block": _block,
    "int4": _int4,
    "nvfp4": _nvfp4,
    "mxfp4": _mxfp4,
}
"""The formats whose experts are not laid out as any linear."""


def expert_bias(role: Role, shape: tuple[int, ...], kernels: Kernels) -> int:
    """Bytes of the biases of a rank's mxfp4 experts: padded as they are, float32 but on Marlin."""
    count, width = shape
    element = 4 if kernels.generation in (HOPPER, BLACKWELL) else 2
    if role == "expert_up_bias":
        step = 64 if kernels.generation == HOPPER else kernels.step
        return count * element * 2 * padded(width // 2, step)
    return count * element * (width if kernels.generation == HOPPER else padded(width, 256))


def quantised(
    tensor: Tensor,
    kind: Format,
    shape: tuple[int, ...],
    quantization: Quantization,
    sizes: Sizes,
    kernels: Kernels,
) -> int:
    """Bytes of a quantised tensor's part on a rank, with its scalars."""
    group = quantization.group_size or 128
    if len(shape) == 3:
        gated = sizes.experts is None or sizes.experts.gated
        scalars = EXPERT_SCALARS.get(quantization.method, {}).get(kind, 0)
        if kind == "mxfp4" and kernels.generation == BLACKWELL:
            scalars = ACTIVATION_SCALARS
        own = scalars * shape[0] if tensor.role == "expert_down" else 0
        return experts(kind, tensor.role, shape, group, kernels, gated) + own
    follows = tensor.role in FOLLOWING and (tensor.role != "up" or sizes.gated_mlp)
    rows, columns = shape
    own = 0 if follows else SCALARS.get(kind, 0)
    return linear(kind, rows, columns, group, kernels) + own
