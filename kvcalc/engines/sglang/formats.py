"""Element types of SGLang's pools (0.5.23, srt/arg_groups/fields/model.py, kv_cache_dtype)."""

from typing import NamedTuple

from kvcalc.dtypes import ALIASES
from kvcalc.spelling import spelled, unknown


class Format(NamedTuple):
    """An element type: `bits` per element, and a scale byte for every `block` elements (0: none).

    `block_scales` are the buffers of those scales. `blackwell` ties it to that GPU generation.
    """

    name: str
    bits: int
    block: int = 0
    block_scales: tuple[str, str] = ("", "")
    blackwell: bool = False

    @property
    def packed(self) -> bool:
        """Whether two elements share a byte."""
        return self.bits == 4


SCALES = ("k_scale_buffer", "v_scale_buffer")

FORMATS = {
    each.name: each
    for each in (
        Format("bfloat16", 16),
        Format("float16", 16),
        Format("float32", 32),
        Format("fp8_e4m3", 8),
        Format("fp8_e5m2", 8),
        Format("mxfp8", 8, 32, SCALES, blackwell=True),
        Format("nvfp4", 4, 16, ("native_k_scale_buffer", "native_v_scale_buffer"), blackwell=True),
        Format("fp4_mx_block16", 4, 16, SCALES),
    )
}
"""By name. The scales of mxfp8 are those of its FA4 path, of nvfp4 those of trtllm_mha
(srt/mem_cache/memory_pool.py, srt/layers/quantization/fp4_kv_cache_quant_method.py)."""

SHORT = {**ALIASES, "fp8": "fp8_e4m3"}

FP4_BACKENDS = {
    False: ("triton", "torch_native", "flex_attention", "trtllm_mha"),
    True: ("flashinfer", "trtllm_mla"),
}
"""Backends that read packed FP4, by whether the rows are latent (srt/arg_groups/kv_cache_hook.py,
handle_kv4_compatibility)."""


def format_name(name: str) -> str:
    """Find an element type's own name.

    Raises:
        RequestError: no such type; the sentence names the nearest.
    """
    own = spelled(name, FORMATS, SHORT)
    if own is None:
        raise unknown("SGLang's element type", name, list(FORMATS), field="kv_cache_dtype")
    return own
