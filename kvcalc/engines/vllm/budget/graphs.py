"""What vLLM estimates its CUDA graphs to take, and keeps out of the pool for them.

It captures a few on the card and multiplies what they took (v1/worker/gpu_model_runner.py and
v1/worker/gpu/cudagraph_utils.py, profile_cudagraph_memory), which no rule foresees exactly: in 3 of
53 starts of 0.19.0 one sample alone took the estimate 1 GiB up.
"""

from collections.abc import Callable, Mapping

from kvcalc.engines.memory_part import MemoryPart
from kvcalc.engines.vllm.budget import states
from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.engines.vllm.rules import GraphEstimate
from kvcalc.layers.attention import Attention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.layer import Layer

MIB = 2**20
NAME = "CUDA graphs"

LARGEST = {"10": 1024}
"""The largest batch that is captured, by the GPU's generation (config/vllm.py, from 0.33.0 on)."""

LARGEST_ELSEWHERE = 512

FLASH_ATTENTION_3 = frozenset({"9"})
"""Generations whose attention keeps a float32 buffer in the first full graph."""

SPLITS = 32
"""The most parts of a context that FlashAttention 3 reads at once (max_num_splits_for_cuda_graph,
config/attention.py)."""

LATENT_WIDTH = 512
"""Elements of a head's result where attention is latent."""

FIRST_PIECEWISE = 110 * MIB
FIRST_FULL_ELSEWHERE = 4 * MIB
"""What the first graph of a kind took in 53 starts of 0.19.0: 100 to 128 MiB, and 4."""

STEP = 2 * MIB
PIECEWISE_A_LAYER = MIB // 5
FULL_A_LAYER = 16 * MIB // 100
"""What each further graph took a layer, in steps of 2 MiB (56 starts on H100)."""

UNDER, OVER = 256 * MIB, 1127 * MIB
"""The band of the V1 runner's: .25 GiB less and 1.1 GiB more, the most that 53 starts show."""

CAPTURED_UNDER, CAPTURED_OVER = 512 * MIB, 1024 * MIB
EXPERTS_OVER = 1536 * MIB
"""The band of the V2 runner's, by four starts of 0.29.0 to 0.31.0: .3 to 1.5 GiB of a dense model,
1 to 3 with experts."""

CAPTURED_ALL, CAPTURED_A_LAYER, CAPTURED_GRAPHS = 123 * MIB, 17 * MIB, 51
"""What 51 graphs of a kind took in 44 starts of 0.19.0 beside the first full one, and a layer."""

CAPTURED_OFF, EXPERTS_CAPTURED = 205 * MIB, 512 * MIB
"""How far they were off at most, with room, and how much more experts take."""

CAPTURES = "44 logs of 0.19.0 on H100"

SOURCES: Mapping[GraphEstimate, str] = {
    "none": "the release keeps nothing out of the pool for graphs",
    "sampled": "v1/worker/gpu_model_runner.py (profile_cudagraph_memory); 53 logs of 0.19.0",
    "captured": "v1/worker/gpu/cudagraph_utils.py (profile_cudagraph_memory); 4 logs of 0.29 to "
    "0.31",
}


def estimate(profile: Profile) -> MemoryPart:
    """What is kept out of the pool for graphs: 0 where none are captured or none are estimated."""
    way = profile.rules.graphs[profile.runner]
    if profile.settings.enforce_eager:
        return MemoryPart(NAME, 0, 0, 0, "exact", "enforce_eager: no graphs")
    return ESTIMATES[way](profile, SOURCES[way])


def printed(profile: Profile) -> MemoryPart:
    """What a start estimates, whether or not its pool is less by it."""
    way = profile.rules.graphs[profile.runner]
    way = "sampled" if way == "none" else way
    return ESTIMATES[way](profile, SOURCES[way])


def captured(profile: Profile) -> MemoryPart:
    """What graphs take of the GPU once they are captured, in the pool's estimate or beside it."""
    if profile.settings.enforce_eager:
        return MemoryPart(NAME, 0, 0, 0, "exact", "enforce_eager: no graphs")
    graphs = sizes(profile)
    full = max(size for size in graphs if size <= profile.sequences)
    further = (CAPTURED_ALL + CAPTURED_A_LAYER * profile.layers) * len(graphs) // CAPTURED_GRAPHS
    size = _first_full(profile, full) + further
    over = CAPTURED_OFF + (EXPERTS_CAPTURED if profile.sizes.experts else 0)
    return MemoryPart(NAME, size, max(0, size - CAPTURED_OFF), size + over, "estimate", CAPTURES)


def sizes(profile: Profile) -> list[int]:
    """Batches that are captured: 1, 2, 4, then in steps of 8, and from 256 on of 16."""
    generation = profile.capability.partition(".")[0]
    own = min(2 * profile.sequences, LARGEST.get(generation, LARGEST_ELSEWHERE))
    most = min(profile.settings.max_cudagraph_capture_size or own, profile.tokens)
    listed = (1, 2, 4, *range(8, 256, 8), *range(256, most + 1, 16))
    return [size for size in listed if size <= most] or [1]


def _none(profile: Profile, source: str) -> MemoryPart:
    return MemoryPart(NAME, 0, 0, 0, "exact", source)


def _sampled(profile: Profile, source: str) -> MemoryPart:
    size, prefill = _extrapolated(profile), 0
    if profile.rules.sampled_with_a_prefill:
        prefill = states.prefill(profile)
    high = size + OVER + prefill + prefill // 4
    return MemoryPart(NAME, size + prefill, max(0, size - UNDER), high, "estimate", source)


def _captured(profile: Profile, source: str) -> MemoryPart:
    size = _extrapolated(profile)
    over = CAPTURED_OVER + (EXPERTS_OVER if profile.sizes.experts else 0)
    over += states.prefill(profile)
    return MemoryPart(NAME, size, max(0, size - CAPTURED_UNDER), size + over, "estimate", source)


def _extrapolated(profile: Profile) -> int:
    """The larger of the first graphs, and each further one as the second of its kind."""
    piecewise = sizes(profile)
    full = [size for size in piecewise if size <= profile.sequences]
    first = max(FIRST_PIECEWISE, _first_full(profile, max(full)))
    further = (len(piecewise) - 1) * _stepped(PIECEWISE_A_LAYER * profile.layers)
    return first + further + (len(full) - 1) * _stepped(FULL_A_LAYER * profile.layers)


def _stepped(size: int) -> int:
    """The nearest whole step."""
    return (size + STEP // 2) // STEP * STEP


def _first_full(profile: Profile, batch: int) -> int:
    """The first full graph: FlashAttention 3 keeps each part's float32 result of every head."""
    if profile.capability.partition(".")[0] not in FLASH_ATTENTION_3:
        return FIRST_FULL_ELSEWHERE
    widest = max(map(_width, (cache for cache, _ in profile.model.caches)))
    return SPLITS * batch * widest // profile.ranks * 4


def _width(layer: Layer) -> int:
    """Elements of what a layer's heads give together, before they are mixed."""
    if isinstance(layer, LatentAttention):
        return (layer.query_heads or 0) * LATENT_WIDTH
    return (layer.query_heads or 0) * layer.value_dim if isinstance(layer, Attention) else 0


ESTIMATES: Mapping[GraphEstimate, Callable[[Profile, str], MemoryPart]] = {
    "none": _none,
    "sampled": _sampled,
    "captured": _captured,
}
"""How the runner of a release estimates them."""
