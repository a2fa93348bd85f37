"""What a cache of transformers holds: the sum of its layers' tensors."""

from kvcalc.costs import Cost
from kvcalc.dtypes import dtype
from kvcalc.engines.additive import additive_cost
from kvcalc.engines.transformers.layer_rules import Cache
from kvcalc.engines.transformers.settings import TransformersSettings
from kvcalc.engines.transformers.types import TYPES, UNMEASURED
from kvcalc.errors import UnsupportedError, quote
from kvcalc.model import Model

ONE_WINDOW = {"exaone_moe"}
"""Model types whose class reads sliding_window alone, not a list of them
(models/exaone_moe/configuration_exaone_moe.py)."""


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
        raise UnsupportedError.of("window", "found 1, expected at least 2 on transformers")
    element = dtype(settings.kv_cache_dtype or model.dtype)
    return additive_cost(
        "transformers",
        model,
        settings,
        element.name,
        Cache(model, element, settings.after_prompt).kinds(),
        why="a sliding layer keeps its window less one token, between two steps",
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
