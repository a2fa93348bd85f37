"""How the attention block grows: for layers kept in the model's own type, and for states.

vLLM 0.33.0, platforms/interface.py (_align_heterogeneous_kv_block_size, _align_hybrid_block_size).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from kvcalc.engines.vllm import layouts, states
from kvcalc.engines.vllm.layers import Rank, state_of
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.layers.attention import LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import Recurrent
from kvcalc.model import Model


def kept_layers(model: Model, settings: VllmSettings, form: str) -> frozenset[int]:
    """The layers that stay in the model's own type, by their places.

    Raises:
        KvcalcError: an index past the last layer was given.
    """
    skipped = settings.kv_cache_dtype_skip_layers
    places = range(len(model.layers))
    if skipped is None:
        recurrent = any(isinstance(c, Recurrent) for one, _ in model.groups for c in one.caches)
        if not form.startswith("turboquant") or recurrent:
            return frozenset()
        return frozenset([*places[:2], *places[-2:]])
    kept = {int(part) for part in skipped if part != "sliding_window"}
    if kept and max(kept) >= len(model.layers):
        raise KvcalcError(
            f"kv_cache_dtype_skip_layers: found {max(kept)}, expected indices below "
            f"{len(model.layers)}"
        )
    if "sliding_window" in skipped:
        kept |= {place for place in places if model.layers[place].windows}
    return frozenset(kept)


def with_room_for_kept(rank: Rank, layers: Sequence[Layer], kept: frozenset[int]) -> Rank:
    """Lengthen the block until a quantised page holds 16 tokens in the model's own type."""
    if not kept:
        return rank
    heads = next((rank.heads(cache) for cache in _with_heads(layers)), None)
    if heads is None:
        return rank
    own = layouts.token_bytes(heads, rank.own_format)
    # The first layer's backend packs the format: where it is kept, not turboquant's own.
    packs = "fp8" if rank.cache_format.startswith("turboquant") and 0 in kept else rank.cache_format
    quantised = layouts.token_bytes(heads, packs)
    if own <= quantised:
        return rank
    block = max(rank.block, rank.block * -(-layouts.KERNEL_BLOCK * own // (rank.block * quantised)))
    return rank._replace(block=block, kept_page=block * quantised)


def _with_heads(layers: Sequence[Layer]) -> Iterator[Any]:
    return (cache for layer in layers for cache in layer.caches if hasattr(cache, "kv_heads"))


def with_room_for_states(rank: Rank, layers: Sequence[Layer]) -> Rank:
    """Lengthen the block until a page of attention holds a state."""
    distinct = dict.fromkeys(cache for layer in layers for cache in layer.caches)
    recurrent = [
        cache for cache in distinct if isinstance(cache, Recurrent) and cache.kind in states.SHAPES
    ]
    attention = [cache for cache in distinct if not isinstance(cache, Recurrent)]
    one_token = rank._replace(block=1)
    tokens = [(c, cache) for cache in attention for c in one_token.caches(cache)]
    if not recurrent or not tokens:
        return rank
    largest = max(cache.page for cache, _ in tokens)
    latent = any(isinstance(cache, LatentAttention) for _, cache in tokens)
    state = max(state_of(rank, cache) for cache in recurrent)
    block = states.grown_block(state, largest, rank.block, latent=latent)
    return rank._replace(block=block, state_page=block * largest)
