"""What a start-up log prints of the parts of the memory: weights, peak, non-torch and the pool.

v1/worker/gpu_worker.py, utils/mem_utils.py (MemoryProfilingResult) and the runners, 0.11.2 to
0.33.0. Each rank prints its own; the most that one prints stands for all.
"""

from collections.abc import Mapping, Sequence

from kvcalc.engines.log import COUNT, SIZE, pattern
from kvcalc.engines.log_measured import FromLog, Measured
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.errors import RequestError

GIB = 2**30

HALF_STEP = GIB // 200
"""How far a figure may be from what was rounded to .01 GiB."""

SHARE = r"[01](?:\.[0-9]{1,17})?"
"""A share of the memory, as Python prints a float."""

PATTERNS = (
    *(
        pattern("weights", words, rf"{words} (?P<weights>{SIZE}) Gi?B")
        for words in ("Model loading took", "Loading model weights took")
    ),
    pattern(
        "profiled",
        "torch peak memory increase",
        rf"torch peak memory increase: (?P<peak>{SIZE}) GiB; "
        rf"(?:non-torch forward increase memory: (?P<outside>{SIZE}) GiB"
        rf"|total consumed \(from mem_get_info\): (?P<consumed>{SIZE}) GiB)?",
    ),
    pattern(
        "requested",
        "Requested memory",
        rf"Requested memory: (?P<share>{SHARE}) \(util\), (?P<requested>{SIZE}) GiB",
    ),
    pattern(
        "requested",
        "Desired GPU memory utilization",
        rf"utilization is \((?P<share>{SHARE}), (?P<requested>{SIZE}) GiB\)",
    ),
    pattern(
        "available",
        "Available KV cache memory",
        rf"Available KV cache memory [:=] (?P<available>{SIZE}) GiB",
    ),
    pattern(
        "usage",
        "Actual usage is",
        rf"Actual usage is (?P<weights>{SIZE}) GiB for weight, (?P<peak>{SIZE}) GiB for peak "
        rf"activation, (?P<outside>{SIZE}) GiB for non-torch memory, and (?P<captured>{SIZE}) GiB "
        r"for CUDAGraph",
    ),
    pattern("ranks", "tensor_parallel_size", rf"tensor_parallel_size['\"]?[=:] (?P<ranks>{COUNT})"),
    pattern(
        "stages", "pipeline_parallel_size", rf"pipeline_parallel_size['\"]?[=:] (?P<stages>{COUNT})"
    ),
)

NAMES = {"peak": "activations", "outside": "outside of PyTorch"}
"""The parts by what a line gives of each."""

SOURCE = "the start-up log; it holds for the log's ranks, max_num_seqs and batch"

REST, ALL = "CUDA graphs and what else is kept", "what the start took beside the weights"


def measured(lines: Sequence[Mapping[str, str]], requested: int) -> Measured:
    """Make parts of the lines' figures; `requested` is bytes of the share where no line says it.

    Raises:
        RequestError: the log lacks the weights or the pool.
    """
    weights = max(_sizes(lines, "weights"), default=None)
    available = min(_sizes(lines, "available"), default=None)
    for name, found in (("Model loading took", weights), ("Available KV cache memory", available)):
        if found is None:
            raise RequestError.about("--log", f'found no line "{name}"')
    assert weights is not None
    assert available is not None
    requested = max(_sizes(lines, "requested"), default=requested)
    parts = [
        _part(name, max(sizes))
        for key, name in NAMES.items()
        if (sizes := _sizes(lines, key)) and _sizes(lines, "outside")
    ]
    rest = requested - weights - available - sum(part.bytes for part in parts)
    if rest > 2 * HALF_STEP * (2 + len(parts)):
        parts.append(_part(REST if parts else ALL, rest))
    return Measured(
        _part("weights", weights),
        tuple(parts),
        ranks=max(_counts(lines, "ranks"), default=None),
        stages=max(_counts(lines, "stages"), default=None),
    )


def _sizes(lines: Sequence[Mapping[str, str]], name: str) -> list[int]:
    """Bytes of each figure of a name, in GiB as printed."""
    found = (line[name].partition(".") for line in lines if name in line)
    return [int(whole + part) * GIB // 10 ** len(part) for whole, _, part in found]


def _counts(lines: Sequence[Mapping[str, str]], name: str) -> list[int]:
    return [int(line[name].replace(",", "")) for line in lines if name in line]


def _part(name: str, size: int) -> MemoryPart:
    low, high = max(0, size - HALF_STEP), size + HALF_STEP
    return MemoryPart(name, size, low, high, "given", SOURCE)


FROM_LOG = FromLog(PATTERNS, measured)
