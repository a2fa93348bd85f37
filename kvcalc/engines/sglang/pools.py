"""Who gets a window pool, and of which window (SGLang 0.5.23, srt/configs/model_config.py)."""

from kvcalc.costs import window_of
from kvcalc.engines.sglang import architectures
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import Value
from kvcalc.layers.attention import ChunkedAttention
from kvcalc.model import Model


def has_window_pool(model: Model, settings: SglangSettings) -> bool:
    """Tell whether SGLang gives a model a window pool.

    Compressed layers are stored in no other way; a model given by its shape is taken at its word.
    """
    if "compressed_attention" in model.kinds:
        return True
    if settings.disable_hybrid_swa_memory:
        return False
    known = model.model_type is None or model.model_type in architectures.WINDOW_POOLS
    return known and any(cache.slides for cache, _ in model.caches)


def pool_window(model: Model) -> tuple[Value, int]:
    """What SGLang takes for the window, as a value and in tokens.

    Raises:
        KvcalcError: several windows; SGLang has one.
    """
    sizes = set(model.sliding_windows)
    chunks = {cache.chunk for cache in model.caches_of(ChunkedAttention)}
    if len(sizes | chunks) > 1:
        raise KvcalcError(
            f"window: found {sorted(sizes | chunks)} in {model.name}, expected one on sglang"
        )
    less = 1 if model.model_type in architectures.WINDOW_LESS_ONE else 0
    tokens = (sizes | chunks).pop()
    return (window_of(model, tokens) if sizes else tokens) - less, tokens - less
