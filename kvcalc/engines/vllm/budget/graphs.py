"""What vLLM estimates its CUDA graphs to take, and keeps out of the pool for them.

It captures a few on the card and multiplies what they took (v1/worker/gpu_model_runner.py and
v1/worker/gpu/cudagraph_utils.py, profile_cudagraph_memory), which no rule foresees exactly: in 3 of
53 starts of 0.19.0 one sample alone took the estimate 1 GiB up.
"""

from collections.abc import Callable, Mapping

from kvcalc.engines.memory_part import PartRule
from kvcalc.engines.vllm.budget import states
from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.engines.vllm.rules import GraphEstimate
from kvcalc.formula.expression import Value, maximum, minimum
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


def estimate(profile: Profile) -> PartRule:
    """What is kept out of the pool for graphs: 0 where none are captured or none are estimated."""
    way = profile.rules.graphs[profile.runner]
    if profile.settings.enforce_eager:
        return PartRule(NAME, 0, 0, 0, "exact", "enforce_eager: no graphs")
    return ESTIMATES[way](profile, SOURCES[way])


def printed(profile: Profile) -> PartRule:
    """What a start estimates, whether or not its pool is less by it."""
    way = profile.rules.graphs[profile.runner]
    way = "sampled" if way == "none" else way
    return ESTIMATES[way](profile, SOURCES[way])


def captured(profile: Profile) -> PartRule:
    """What graphs take of the GPU once they are captured, in the pool's estimate or beside it."""
    if profile.settings.enforce_eager:
        return PartRule(NAME, 0, 0, 0, "exact", "enforce_eager: no graphs")
    most = largest_batch(profile)
    further = (CAPTURED_ALL + CAPTURED_A_LAYER * profile.layers) * up_to(most) // CAPTURED_GRAPHS
    size = _first_full(profile, minimum(most, profile.sequences)) + further
    over = CAPTURED_OFF + (EXPERTS_CAPTURED if profile.sizes.experts else 0)
    return PartRule(NAME, size, maximum(0, size - CAPTURED_OFF), size + over, "estimate", CAPTURES)


def largest_batch(profile: Profile) -> Value:
    """What no batch that is captured is larger than."""
    generation = profile.capability.partition(".")[0]
    own = minimum(2 * profile.sequences, LARGEST.get(generation, LARGEST_ELSEWHERE))
    return minimum(profile.settings.max_cudagraph_capture_size or own, profile.tokens)


def up_to(most: Value) -> Value:
    """How many batches are captured: 1, 2, 4, then in steps of 8, and from 256 on of 16."""
    by_8, by_16 = minimum(most // 8, 31), (maximum(most, 240) - 240) // 16
    return 1 + minimum(most // 2, 1) + minimum(most // 4, 1) + by_8 + by_16


def largest_of(most: Value) -> Value:
    """The largest batch of these that is not over `most`."""
    least = maximum(1, maximum(minimum(most // 2, 1) * 2, minimum(most // 4, 1) * 4))
    return maximum(least, maximum(minimum(most // 8, 31) * 8, most // 16 * 16))


def _none(profile: Profile, source: str) -> PartRule:
    return PartRule(NAME, 0, 0, 0, "exact", source)


def _sampled(profile: Profile, source: str) -> PartRule:
    size = _extrapolated(profile)
    prefill = states.prefill(profile) if profile.rules.sampled_with_a_prefill else 0
    high = size + OVER + prefill + prefill // 4
    return PartRule(NAME, size + prefill, maximum(0, size - UNDER), high, "estimate", source)


def _captured(profile: Profile, source: str) -> PartRule:
    size = _extrapolated(profile)
    over = CAPTURED_OVER + (EXPERTS_OVER if profile.sizes.experts else 0)
    high = size + over + states.prefill(profile)
    return PartRule(NAME, size, maximum(0, size - CAPTURED_UNDER), high, "estimate", source)


def _extrapolated(profile: Profile) -> Value:
    """The larger of the first graphs, and each further one as the second of its kind."""
    most = largest_batch(profile)
    full = minimum(most, profile.sequences)
    first = maximum(FIRST_PIECEWISE, _first_full(profile, full))
    further = (up_to(most) - 1) * _stepped(PIECEWISE_A_LAYER * profile.layers)
    return first + further + (up_to(full) - 1) * _stepped(FULL_A_LAYER * profile.layers)


def _stepped(size: int) -> int:
    """The nearest whole step."""
    return (size + STEP // 2) // STEP * STEP


def _first_full(profile: Profile, most: Value) -> Value:
    """The first full graph: FlashAttention 3 keeps each part's float32 result of every head."""
    if profile.capability.partition(".")[0] not in FLASH_ATTENTION_3:
        return FIRST_FULL_ELSEWHERE
    widest = max(map(_width, (cache for cache, _ in profile.model.caches)))
    return SPLITS * largest_of(most) * widest // profile.ranks * 4


def _width(layer: Layer) -> int:
    """Elements of what a layer's heads give together, before they are mixed."""
    if isinstance(layer, LatentAttention):
        return (layer.query_heads or 0) * LATENT_WIDTH
    return (layer.query_heads or 0) * layer.value_dim if isinstance(layer, Attention) else 0


ESTIMATES: Mapping[GraphEstimate, Callable[[Profile, str], PartRule]] = {
    "none": _none,
    "sampled": _sampled,
    "captured": _captured,
}
"""How the runner of a release estimates them."""
