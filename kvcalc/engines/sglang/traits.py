"""What kind of model SGLang sees: the pools it gets depend on it."""

from typing import NamedTuple

from kvcalc.engines.sglang import architectures
from kvcalc.errors import KvcalcError, quote
from kvcalc.layers.attention import Attention, LatentAttention
from kvcalc.layers.recurrent import Recurrent
from kvcalc.model import Model

KINDS = (
    "full_attention",
    "sliding_attention",
    "chunked_attention",
    "latent_attention",
    "compressed_attention",
    "mamba",
    "mamba2",
    "gated_delta_net",
    "kimi_delta_attention",
    "lightning_attention",
    "short_convolution",
    "shared_cache",
    "no_cache",
    "combined",
)
"""The kinds of layers that have a pool, or a place in one."""


class Traits(NamedTuple):
    """Latent rows; an indexer beside them; DeepSeek V4's rows; states; keys unlike values."""

    latent: bool
    sparse: bool
    compressed: bool
    recurrent: bool
    asymmetric: bool


def traits_of(model: Model) -> Traits:
    """Look at a model's layers.

    Raises:
        KvcalcError: a kind of layer that no pool of SGLang's holds, or kinds that none mixes.
    """
    for cache, _ in model.caches:
        if cache.kind not in KINDS:
            raise KvcalcError(f"sglang does not support {cache.kind} layers")
    latent, plain = model.caches_of(LatentAttention), model.caches_of(Attention)
    compressed = "compressed_attention" in model.kinds
    recurrent = bool(model.caches_of(Recurrent))
    if bool(latent) + bool(plain) + compressed > 1 or (compressed and recurrent):
        raise KvcalcError(f"sglang has no pools for {model.name}: it mixes kinds of attention")
    if recurrent and model.model_type not in (None, *architectures.RECURRENT):
        raise KvcalcError(
            f"sglang has no recurrent states for the model type {quote(model.model_type)}"
        )
    return Traits(
        latent=bool(latent),
        sparse=any(cache.sparse for cache in latent),
        compressed=compressed,
        recurrent=recurrent,
        asymmetric=any(cache.head_dim != cache.value_dim for cache in plain),
    )
