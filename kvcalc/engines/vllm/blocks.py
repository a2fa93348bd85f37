"""How the attention block grows: for states, and for layers stored in the model's own type.

vLLM 0.33.0, platforms/interface.py (_align_hybrid_block_size, _align_heterogeneous_kv_block_size).
"""

from collections.abc import Sequence
from math import lcm

from kvcalc.engines.vllm import formats, states
from kvcalc.engines.vllm.checkpoints import checkpoint_step
from kvcalc.engines.vllm.kernels import BACKENDS
from kvcalc.engines.vllm.layer_rules import state_of
from kvcalc.engines.vllm.plan_context import PlanContext
from kvcalc.engines.vllm.pooled_index import least_block
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import Attention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import Mamba2, Recurrent

ENDS_KEPT = ("turboquant", "ultraquant")
"""What formats begin with that leave layers at a model's ends in its own type."""

UNQUANTISED_ENDS = 2
"""How many at each end (model_executor/layers/quantization/turboquant/config.py)."""

UNCHUNKED = 2_048
"""Tokens of a chunk of states, of layers without one (config/model.py, get_mamba_chunk_size)."""


def with_room_for_states(rank: PlanContext, drafted: Sequence[Layer]) -> PlanContext:
    """Lengthen the block until a page of attention holds a state, of the model or a draft."""
    own = [cache for cache, _ in rank.model.caches]
    caches = list(dict.fromkeys([*own, *(cache for layer in drafted for cache in layer.caches)]))
    state_sizes = [
        state_of(rank, cache)
        for cache in caches
        if isinstance(cache, Recurrent) and cache.kind in states.SHAPES
    ]
    token = max(_token(rank, cache, rank.cache_format) for cache in caches)
    if not state_sizes or not token:
        return rank
    if rank.settings.kv_cache_dtype_skip_layers and rank.cache_format.startswith(ENDS_KEPT):
        token = lcm(token, max(_token(rank, cache, rank.own_format) for cache in caches))
    rules = rank.settings.rules
    latent = any(isinstance(cache, LatentAttention) for cache in caches)
    step = max(
        _kernel_block(rank, caches),
        rank.block if rules.asked_block_steps else 0,
        rules.latent_step if latent else 0,
    )
    modes = {
        cache: rank.settings.states_mode(cache.kind)
        for cache in caches
        if isinstance(cache, Recurrent)
    }
    step = lcm(step, *(_chunk(cache) for cache, mode in modes.items() if mode == "all"))
    aligned = [cache for cache, mode in modes.items() if mode == "align"]
    step = lcm(step, checkpoint_step(aligned, rank.model, rank.settings))
    block = step * -(-max(state_sizes) // (step * token))
    least = least_block(rank.model, rank.settings)
    block = max(rank.block, -(-block // least) * least)
    return rank._replace(block=block, state_page=block * token)


def _chunk(layer: Recurrent) -> int:
    """Tokens of a chunk of a layer's scan; blocks that keep a state are multiples of it."""
    if not isinstance(layer, Mamba2):
        return UNCHUNKED
    if layer.chunk_size is None:
        raise UnsupportedError.of(
            "mamba_cache_mode", "found all, for which the model must say its chunk_size"
        )
    return layer.chunk_size


def unquantised_layers(
    settings: VllmSettings, layers: Sequence[Layer], own: int, form: str
) -> frozenset[int] | None:
    """The layers that stay in the model's own type, by their places; None where none may.

    They are those that are given, and those at the ends with some formats (engine/arg_utils.py).
    The first `own` layers are the model's, the others a draft's.

    Raises:
        UnsupportedError: an index past the last layer was given.
    """
    skipped = settings.kv_cache_dtype_skip_layers or ()
    places = {int(part) for part in skipped if part != "sliding_window"}
    if places and max(places) >= len(layers):
        raise UnsupportedError.of(
            "kv_cache_dtype_skip_layers",
            f"found {max(places)}, expected indices below {len(layers)}",
        )
    if "sliding_window" in skipped:
        places |= {place for place, layer in enumerate(layers) if layer.windows}
    if form.startswith(ENDS_KEPT) and not any(
        isinstance(one, Recurrent) for layer in layers for one in layer.caches
    ):
        ends = min(UNQUANTISED_ENDS, own // 2)
        places |= {*range(ends), *range(own - ends, own)}
    return frozenset(places) if skipped or places else None


def with_room_for_unquantised(
    rank: PlanContext, layers: Sequence[Layer], unquantised: frozenset[int] | None
) -> PlanContext:
    """Lengthen the block until a quantised page holds a kernel's block in the model's own type."""
    if unquantised is None or not rank.settings.rules.kept_formats_raise_block:
        return rank
    caches = [cache for layer in layers for cache in layer.caches]
    latent = [cache for cache in caches if isinstance(cache, LatentAttention)]
    heads = [cache for cache in caches if isinstance(cache, Attention)]
    first = next(iter([*latent, *heads]), None)
    if first is None:
        return rank
    # The backend of attention's first layer packs the format; unquantised, not in turboquant's way.
    place = next(
        place
        for place, layer in enumerate(layers)
        if any(isinstance(cache, Attention | LatentAttention) for cache in layer.caches)
    )
    own_packing = rank.cache_format.startswith(ENDS_KEPT) and place in unquantised
    # vLLM reckons here as if latent rows were keys and values both.
    twice = 2 if latent else 1
    own, quantised = (
        twice * _token(rank, first, form)
        for form in (rank.own_format, "fp8" if own_packing else rank.cache_format)
    )
    if own <= quantised:
        return rank
    kernel = _kernel_block(rank, caches)
    page = max(own * kernel, rank.state_page or 0)
    block = rank.block * -(-page // (rank.block * quantised))
    shared = block * quantised
    state_page = shared if rank.state_page else None
    return rank._replace(block=block, shared_page=shared, state_page=state_page)


def _token(rank: PlanContext, cache: Layer, form: str) -> int:
    """Bytes of a token of attention on the rank, as vLLM reckons them here; 0 of other layers.

    It takes values to be as long as keys.
    """
    if isinstance(cache, Attention):
        heads = rank.heads(cache)
        return formats.token_bytes(heads._replace(value=heads.key), form)
    if isinstance(cache, LatentAttention):
        element = formats.PLAIN.get(form, 1)
        return cache.row_elements * element
    return 0


def _kernel_block(rank: PlanContext, caches: Sequence[Layer]) -> int:
    """Tokens of the shortest block that the first layer's kernels read."""
    kernels = BACKENDS[rank.backend]
    first = next((one for one in caches if isinstance(one, Attention | LatentAttention)), None)
    if isinstance(first, Attention):
        kernels = rank.kernels(rank.heads(first), rank.cache_format)
    return min(kernels.kernel_blocks)
