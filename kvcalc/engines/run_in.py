"""The element type that a server runs a model in.

What is published in float32 is cast to 16 bits unless --dtype says otherwise: vLLM 0.33.0,
config/model.py (_resolve_auto_dtype); SGLang 0.5.23, srt/configs/model_config.py
(_get_and_verify_dtype), to float16 mostly.
"""

from kvcalc.model import Model

WIDE = "float32"


def run_in(model: Model, cache_format: str | None = None) -> str:
    """Name it; of two types of 16 bits bfloat16 stands for both.

    A cache in float32 is asked for by the model's own type alone. One of another type tells
    nothing of that: a model that --dtype runs in float32 beside it is taken for one of 16 bits.
    """
    if cache_format == WIDE:
        return WIDE
    return "bfloat16" if model.dtype == WIDE else model.dtype
