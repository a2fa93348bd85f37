"""The cache format where none is asked for: the checkpoint's, the architecture's, the backend's.

vLLM 0.33.0: engine/arg_utils.py, model_executor/models/config.py (by the architecture and the GPU),
model_executor/layers/attention/mla_attention.py and models/deepseek_v4 (by the backend).
"""

from typing import NamedTuple

from kvcalc.engines.run_in import run_in
from kvcalc.engines.vllm.checkpoint import checkpoint_format
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model

FORMATS_OF_GENERATION = 10
"""The compute capability, before its dot, on which models take formats of their own: SM10x."""

OF_BACKEND = {
    "FLASHINFER_MLA_SPARSE_SM120": "fp8_ds_mla",
    "FLASHMLA_SPARSE_DSV4": "fp8",
    "FLASHINFER_MLA_SPARSE_DSV4": "bfloat16",
}
"""Backends that store rows in a format of their own; others store the model's element type."""

BFLOAT16_IS_AUTO = ("deepseek_v32",)
"""Model types that take bfloat16 for auto (DeepseekV32ForCausalLM in models/config.py)."""


class AutoFormat(NamedTuple):
    """A cache format that was not asked for, and what it comes from; "" for the model's own."""

    name: str
    by: str = ""


def auto_format(model: Model, settings: VllmSettings, backend: str) -> AutoFormat:
    """The format of `auto` where this backend is the first that vLLM would take.

    Raises:
        UnsupportedError: a checkpoint's scheme with which vLLM does not start, or a draft that
            keeps another format than the architecture's.
    """
    scheme = model.cache_scheme
    if scheme is not None and (asked := checkpoint_format(model, settings.rules)) is not None:
        return AutoFormat(asked, scheme.origin)
    own = settings.rules.own_formats.get(model.model_type or "")
    if own is not None and settings.generation == FORMATS_OF_GENERATION:
        if settings.speculative_method not in ("none", "mtp"):
            raise UnsupportedError.of(
                "speculative_method",
                f"found {settings.speculative_method}, whose draft vllm does not store in {own}, "
                f"as it does {model.model_type} on {settings.gpu} by itself; expected mtp, or a "
                "kv_cache_dtype",
            )
        return AutoFormat(own, f"vllm's choice for {model.model_type} on {settings.gpu}")
    if backend in OF_BACKEND:
        return AutoFormat(OF_BACKEND[backend], f"the backend {backend}")
    return AutoFormat(run_in(model))
