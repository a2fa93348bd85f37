"""The layers that drafts add to the pool (vLLM 0.33.0, config/speculative.py, models' files).

They are layers of their kind, on the last pipeline stage.
"""

from collections.abc import Callable

from kvcalc.errors import UnsupportedError, quote
from kvcalc.layers.attention import FullAttention, SlidingAttention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.model import Model


def draft_layers(model: Model, method: str, *, published_types: bool = True) -> tuple[Layer, ...]:
    """Take the layers that a method of speculation adds to a model's.

    A model given by its layers alone, without a model type, drafts with layers like its last.
    `published_types` says that the release reads the types which a file gives to MTP's layers.

    Raises:
        UnsupportedError: the model has no MTP layers, vLLM builds none or the file does not say
            which, or there is no attention to tell the draft's shape by.
    """
    if method == "none":
        return ()
    if method != "mtp":
        return (_without_indexer(_last_attention(model, method)),)
    if published_types and model.mtp_layers and model.model_type in OWN_TYPES:
        return model.mtp_layers[: _modules(model)]
    rule = MTP_LAYERS.get(model.model_type, _none) if model.model_type else _like_its_last
    return rule(model)


def _last_attention(model: Model, method: str) -> Layer:
    """The last layer that sees all tokens, whose shape the draft takes."""
    for layer in reversed(model.layers):
        for cache in layer.caches:
            if isinstance(cache, FullAttention):
                return cache
            if isinstance(cache, LatentAttention) and cache.window is None:
                return cache
            if isinstance(cache, CompressedAttention):
                return CompressedAttention(head_dim=cache.head_dim, window=cache.window)
    raise UnsupportedError.of(
        "speculative_method",
        f"found {method}, but {model.name} has no full attention to tell the draft's shape by",
    )


def _without_indexer(layer: Layer) -> Layer:
    if isinstance(layer, FullAttention):
        return FullAttention(**{**dict(layer), "index_head_dim": None, "index_pool": None})
    return layer


def _with_indexer(layer: Layer, model: Model) -> Layer:
    """Give a sparse layer of MTP an indexer of its own, also where the target's share one."""
    if not isinstance(layer, LatentAttention) or not layer.sparse:
        return layer
    owner = next(
        one for one, _ in model.groups if isinstance(one, LatentAttention) and one.index_head_dim
    )
    return LatentAttention(
        **{
            **dict(layer),
            **owner.model_dump(include={"index_head_dim", "index_dtype", "index_pool"}),
        }
    )


def _modules(model: Model) -> int:
    if model.num_nextn_predict_layers is None:
        raise UnsupportedError.of(
            "speculative_method",
            f"found mtp, but {model.name} has no multi-token-prediction layers",
        )
    return model.num_nextn_predict_layers


def _like_its_last(model: Model) -> tuple[Layer, ...]:
    return (_with_indexer(_last_attention(model, "mtp"), model),) * _modules(model)


def _one_like_its_last(model: Model) -> tuple[Layer, ...]:
    return _like_its_last(model)[:1]


def _its_first(model: Model) -> tuple[Layer, ...]:
    return model.layers[: _modules(model)]


def _one_sliding(model: Model) -> tuple[Layer, ...]:
    return tuple(layer for layer in model.layers if isinstance(layer, SlidingAttention))[:1]


def _of_the_file(model: Model) -> tuple[Layer, ...]:
    modules = _modules(model)
    if len(model.mtp_layers) < modules:
        raise UnsupportedError.of(
            "speculative_method",
            f"found mtp, but {model.name} says the types of {len(model.mtp_layers)} of its "
            f"{modules} multi-token-prediction layers, expected them in mtp_layer_types or after "
            "its own in layer_types",
        )
    return model.mtp_layers[:modules]


def _sparse(model: Model) -> tuple[Layer, ...]:
    """As many as the file's num_mtp_modules says, each with an indexer of its own."""
    facts = model.config_facts
    last = _last_attention(model, "mtp")
    if not isinstance(last, FullAttention) or last.index_head_dim is None:
        raise UnsupportedError.of(
            "speculative_method",
            f"found mtp, but {model.name} does not end with the sparse layer that vllm drafts with",
        )
    return (last,) * ((facts and facts.num_mtp_modules) or 1)


def _none(model: Model) -> tuple[Layer, ...]:
    _modules(model)
    raise UnsupportedError.of(
        "speculative_method",
        "found mtp, but vllm builds no multi-token-prediction layers for the model type "
        f"{quote(model.model_type)}",
    )


MTP_LAYERS: dict[str, Callable[[Model], tuple[Layer, ...]]] = {
    **dict.fromkeys(
        (
            "bailing_hybrid",
            "deepseek_v3",
            "deepseek_v32",
            "deepseek_v4",
            "ernie4_5_moe",
            "glm4_moe",
            "glm4_moe_lite",
            "glm5_next",
            "glm_moe_dsa",
            "glm_ocr",
            "hy_v3",
            "hy_v4",
            "intern_s2_preview",
            "interns2_mobius",
            "kimi_k3",
            "mimo",
            "pangu_ultra_moe",
            "qwen3_5",
            "qwen3_5_moe",
            "qwen3_5_moe_text",
            "qwen3_5_text",
            "qwen3_next",
            "qwen4_exp",
            "qwen4_exp_text",
        ),
        _like_its_last,
    ),
    "longcat_flash": _one_like_its_last,
    "nemotron_h": _one_like_its_last,
    "nemotron_h_puzzle": _one_like_its_last,
    "exaone4_5": _its_first,
    "exaone_moe": _its_first,
    "mimo_v2": _one_sliding,
    "mimo_v2_flash": _one_sliding,
    "minimax_m3": _sparse,
    "minimax_m3_vl": _sparse,
    "step3p5": _of_the_file,
    "step3p7": _of_the_file,
}
"""The model types that vLLM builds MTP layers for, and which: layers like the last that sees all
tokens (deepseek_mtp.py and others), the layers of the indices from 0 on (exaone_moe_mtp.py,
exaone4_5_mtp.py), one whatever the file says (mimo_v2_mtp.py: a sliding one), sparse ones
(models/minimax_m3/nvidia/mtp.py), or those of the types that the file gives (step3p5_mtp.py)."""

OWN_TYPES = ("exaone_moe",)
"""The model types whose MTP layers have the types of the file's mtp_layer_types, where it has them
(exaone_moe.py, from 0.27.0 on)."""
