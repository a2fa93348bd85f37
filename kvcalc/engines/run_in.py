"""The element type that a server runs a model in.

What is published in float32 is cast to 16 bits unless --dtype says otherwise: vLLM 0.33.0,
config/model.py (_resolve_auto_dtype); SGLang 0.5.23, srt/configs/model_config.py
(_get_and_verify_dtype), to float16 mostly.
"""

from kvcalc.model import Model

WIDE = "float32"


def run_in(model: Model, cache_format: str | None = None) -> str:
    """Name the type; bfloat16 stands for float16 too, which is as large.

    Only a model that runs in float32 has a cache in float32. A cache of another type does not tell:
    beside it, a model that --dtype runs in float32 is taken for one of 16 bits.
    """
    if cache_format == WIDE:
        return WIDE
    return "bfloat16" if model.dtype == WIDE else model.dtype
