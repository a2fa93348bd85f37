"""What PyTorch's allocator takes of a GPU for weights beyond their bytes.

Large tensors are cut from segments of whole 2 MiB, and what is left of one is given back only if it
is worth it (c10/cuda/CUDACachingAllocator.cpp). From 0.21.0 on vLLM loads with blocks above 20 MiB
left whole (v1/worker/gpu_worker.py, _scoped_allocator_max_split).
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from kvcalc.engines.memory_part import MemoryPart, exact
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights.rank_tensors import RankTensor, rank_tensors
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from kvcalc.parameters.tensor import Role

MIB = 2**20
SMALLEST = 512
LARGE, SEGMENT, WORTH_CUTTING = 10 * MIB, 2 * MIB, MIB
"""Bytes from which a tensor has a segment of its own, a segment's steps, and the least rest that
is cut off."""

WHOLE = 20 * MIB
"""Bytes from which a block is not cut where the allocator's split is limited."""

FUSED: Mapping[Role, str] = {
    **dict.fromkeys(("q", "k", "v"), "qkv"),
    **dict.fromkeys(("gate", "up"), "gate_up"),
    **dict.fromkeys(("shared_gate", "shared_up"), "shared_gate_up"),
    **dict.fromkeys(("q_a", "kv_a"), "qkv_a"),
}
"""Linears that vLLM makes one tensor of (model_executor/layers/linear.py)."""


def rounding(model: Model, settings: VllmSettings) -> tuple[MemoryPart, ...]:
    """What rounding adds on a rank of each stage; nothing where the tensors are not known."""
    try:
        stages = rank_tensors(model, settings) if model.tensors else ()
    except UnsupportedError:  # a format that is not known; ranks that do not divide are refused
        return ()
    whole = settings.rules.large_blocks_are_whole
    source = "PyTorch, c10/cuda/CUDACachingAllocator.cpp"
    return tuple(
        exact(
            "rounding of weights", sum(over(size, whole) * times for size, times in sizes), source
        )
        for sizes in map(_fused, stages)
    )


def _fused(tensors: Iterable[RankTensor]) -> Iterable[tuple[int, int]]:
    """The sizes of tensors as they are made, and how often each is there."""
    sizes: Counter[tuple[str, tuple[int, ...], int]] = Counter()
    for tensor, size, times in tensors:
        sizes[FUSED.get(tensor.role, tensor.role + str(tensor.shape)), tensor.layers, times] += size
    return [(size, times) for (_, _, times), size in sizes.items()]


def over(size: int, whole: bool) -> int:
    """Bytes that a block takes beyond its tensor's."""
    least = -size % SMALLEST
    if size < LARGE:
        return least
    rest = -(size + least) % SEGMENT
    kept = rest <= WORTH_CUTTING or (whole and size >= WHOLE)
    return least + (rest if kept else 0)
