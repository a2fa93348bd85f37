"""The layers that drafts add to the pool (vLLM 0.33.0, config/speculative.py, models' files).

They are layers of their kind, on the last pipeline stage.
"""

from collections.abc import Callable

from kvcalc.errors import KvcalcError
from kvcalc.layers.attention import (
    CompressedAttention,
    FullAttention,
    LatentAttention,
    SlidingAttention,
)
from kvcalc.layers.layer import Layer
from kvcalc.model import Model


def draft_layers(model: Model, method: str) -> tuple[Layer, ...]:
    """Take the layers that a method of speculation adds to a model's.

    Raises:
        KvcalcError: the model has no MTP layers, or none to tell the draft's shape by.
    """
    if method == "none":
        return ()
    if method != "mtp":
        return (_last_attention(model, method),)
    modules = model.num_nextn_predict_layers
    if modules is None:
        raise KvcalcError(
            f"speculative_method: found mtp, but {model.name} has no multi-token-prediction layers"
        )
    own = MTP_LAYERS.get(model.model_type or "")
    if own is not None:
        return own(model)
    return (_with_indexer(_last_attention(model, method), model),) * modules


def _last_attention(model: Model, method: str) -> Layer:
    """The last layer that sees all tokens, whose shape the draft takes."""
    for layer in reversed(model.layers):
        for cache in layer.caches:
            if isinstance(cache, FullAttention):
                return FullAttention(**{**dict(cache), "index_head_dim": None})
            if isinstance(cache, LatentAttention) and cache.window is None:
                return cache
            if isinstance(cache, CompressedAttention):
                return CompressedAttention(head_dim=cache.head_dim, window=cache.window)
    raise KvcalcError(
        f"speculative_method: found {method}, but {model.name} has no full attention to tell the "
        "draft's shape by"
    )


def _with_indexer(layer: Layer, model: Model) -> Layer:
    """Give a sparse layer of MTP an indexer of its own, also where the target's share one."""
    if not isinstance(layer, LatentAttention) or not layer.sparse:
        return layer
    owner = next(
        one for one, _ in model.groups if isinstance(one, LatentAttention) and one.index_head_dim
    )
    return LatentAttention(
        **{**dict(layer), "index_head_dim": owner.index_head_dim, "index_dtype": owner.index_dtype}
    )


def _first_layer(model: Model) -> tuple[Layer, ...]:
    return model.layers[:1]


def _one_sliding(model: Model) -> tuple[Layer, ...]:
    return tuple(layer for layer in model.layers if isinstance(layer, SlidingAttention))[:1]


MTP_LAYERS: dict[str, Callable[[Model], tuple[Layer, ...]]] = {
    "exaone_moe": _first_layer,
    "mimo_v2": _one_sliding,
    "mimo_v2_flash": _one_sliding,
}
"""Model types whose MTP layer vLLM builds otherwise than as its last full layer.

exaone_moe_mtp.py builds it with the layer index 0; mimo_v2_mtp.py builds one, a sliding one.
"""
