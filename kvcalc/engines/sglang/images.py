"""Models whose images SGLang reads, and how much less of the memory it then takes by itself.

SGLang 0.5.23: srt/configs/model_config.py (enable_multimodal), srt/arg_groups/memory_hook.py
(adjust_mem_fraction_for_vlm), srt/mem_cache/kv_cache_configurator.py (mm_runtime_reservation_gb).
"""

from fractions import Fraction

from kvcalc.engines.engine import names
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from kvcalc.parameters.tower_sizes import Tower

OFF = names("gemma3 llama4 step3_vl inkling inkling_mm_model")
"""Model types that it serves without images, unless --enable-multimodal is given."""

DEEP = frozenset({"glm4v", "qwen2_5_vl", "qwen3_vl"})
"""Towers whose configuration has `depth`, and no `num_hidden_layers`: 24 are taken (transformers
5.19.0; srt/configs/qwen3_vl.py)."""

LAYERED = frozenset({"clip", "gemma4", "kimi_k25", "pixtral", "siglip"})
"""Towers whose configuration has `num_hidden_layers` (the same; srt/configs/kimi_k25.py)."""

LAYERS, WIDTH = 24, 1024
"""Those of a ViT-L/14, of which 0.95 of the share are left."""

CACHED = 100 * 2**20
"""Bytes of images' embeddings that come out of the pool (srt/environ.py,
SGLANG_VLM_CACHE_SIZE_MB)."""


def tower_of(model: Model | None) -> Tower | None:
    """The tower of a model whose images are read; None where none are, or it is not known."""
    if model is None or model.sizes is None or model.model_type in OFF:
        return None
    return model.sizes.tower


def left_by(tower: Tower) -> Fraction:
    """The part of the share that a tower leaves.

    Raises:
        UnsupportedError: what SGLang reads of its configuration is not known.
    """
    if tower.kind not in DEEP | LAYERED:
        raise UnsupportedError.of(
            "mem_fraction_static",
            f"missing, and how much less sglang takes by itself beside a tower of {tower.kind} is "
            "not known to kvcalc; give it",
        )
    layers = LAYERS if tower.kind in DEEP else tower.num_hidden_layers
    times = Fraction(layers * tower.hidden_size**2, LAYERS * WIDTH**2)
    slower = 1 - (times - 1) / 10
    return Fraction(95, 100) * max(Fraction(8, 10), min(Fraction(105, 100), slower))
