"""What a cache of transformers holds: the sum of its layers' tensors."""

from dataclasses import replace

from kvcalc.costs import CONTEXT, SEQUENCES, WINDOW, Cost, Step, formula
from kvcalc.dtypes import dtype
from kvcalc.engines.additive import additive_cost
from kvcalc.engines.transformers.layer_rules import POOLED_INDEX, Cache
from kvcalc.engines.transformers.settings import TransformersSettings
from kvcalc.engines.transformers.types import TYPES, UNMEASURED
from kvcalc.errors import UnsupportedError, quote
from kvcalc.formula.expression import maximum, substituted
from kvcalc.formula.limits import Limit
from kvcalc.model import Model

ONE_WINDOW = {"exaone_moe"}
"""Model types whose class reads sliding_window alone, not a list of them
(models/exaone_moe/configuration_exaone_moe.py)."""


WHY = {
    "dynamic": "a sliding layer keeps its window less one token, between two steps",
    "static": "all tokens of max_cache_len are there from the start, of a sliding layer its window",
}
"""What makes each cache differ from the least that attention needs."""

LEAST_WINDOW = "at least 2 on transformers"
"""Of a window of 1 a dynamic cache would keep the last 0 tokens, by a slice that takes them all."""

NOT_STATIC = frozenset({"compressed_attention", "ngram_embedding"})
"""Kinds of layers without a static class (cache_utils.py, STATIC_LAYER_TYPE_MAPPING)."""


def cost(model: Model, settings: TransformersSettings) -> Cost:
    """Work out what transformers' cache holds.

    Raises:
        UnsupportedError: a window of 1, tensor parallelism, or a kind of layer it does not cache.
    """
    if settings.tensor_parallel_size != 1:
        raise UnsupportedError.of("tensor_parallel_size", "transformers has none, expected 1")
    _require_class(model)
    if sum(count for cache, count in model.caches if cache.kind == "ngram_embedding") > 1:
        raise UnsupportedError(
            "transformers keeps the positions of several embeddings once: not modelled",
            what="ngram_embedding layers",
        )
    if 1 in model.sliding_windows:
        raise UnsupportedError.of("window", f"found 1, expected {LEAST_WINDOW}")
    static = settings.cache_implementation == "static"
    if static:
        _require_static(model)
    element = dtype(settings.kv_cache_dtype or model.dtype)
    made = additive_cost(
        "transformers",
        model,
        settings,
        element.name,
        Cache(model, element, settings.after_prompt, static).kinds(),
        why=WHY[settings.cache_implementation],
        limits=() if model.window is None else (Limit("window", 2 - WINDOW, 0, LEAST_WINDOW),),
    )
    return _with_peak(made)


def _with_peak(cost: Cost) -> Cost:
    """Add the most that a shorter context took on the way, where compressed layers hold less later.

    What waits in a layer to be compressed is the most one token before each multiple of its ratio,
    and all else grows, so the most is there at the last such context or at the end.
    """
    from kvcalc.layers.latent import CompressedAttention

    ratios = sorted({layer.ratio for layer in cost.model.caches_of(CompressedAttention)} - {0})
    if not ratios:
        return cost
    end = peak = cost.per_request.expression
    for ratio in ratios:
        before = maximum((CONTEXT + 1) // ratio * ratio - 1, 0)
        peak = maximum(peak, substituted(end, {CONTEXT.name: before}))
    peak *= SEQUENCES
    whole = formula(cost.model, peak, limits=cost.formula.limits)
    working = f"the most on the way: the buffers are full before each {max(ratios)} tokens"
    return replace(
        cost,
        peak_formula=whole,
        peak_per_gpu_formula=whole,  # there is one rank
        steps=(*cost.steps, Step("at the peak", working, peak, "bytes")),
    )


def _require_static(model: Model) -> None:
    """Refuse a static cache of layers that have none.

    Raises:
        UnsupportedError: there is such a layer; the sentence names its kind.
    """
    for cache, _ in model.caches:
        pooled = dict(cache).get("index_head_dim") and model.model_type in POOLED_INDEX
        if cache.kind in NOT_STATIC or pooled:
            raise UnsupportedError.of(
                "cache_implementation",
                f"found static, which transformers does not have for the {cache.kind} layers of "
                f"{model.name}",
            )


def _require_class(model: Model) -> None:
    """Refuse a model type whose cache in transformers nobody has seen.

    Raises:
        UnsupportedError: transformers has no class for it, or one that was not measured.
    """
    kind = model.model_type
    if kind in ONE_WINDOW and len(model.sliding_windows) > 1:
        raise UnsupportedError(
            f"window: found {len(model.sliding_windows)} of them, and transformers reads none "
            f"for the model type {quote(kind)}, expected one",
            what="several windows",
        )
    if kind is None or kind in TYPES - UNMEASURED.keys():
        return
    why = UNMEASURED.get(kind)
    raise UnsupportedError(
        f"transformers 5.24.0 has no class for the model type {quote(kind)}"
        if why is None
        else f"what transformers keeps of the model type {quote(kind)} was not measured: {why}",
        what=f"model type {kind}",
    )
