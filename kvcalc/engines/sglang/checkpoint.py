"""The element type that SGLang takes of a checkpoint, where none is asked for.

Of a quantisation that says FP8 alone (srt/mem_cache/kv_cache_dtype.py; what says so is in
srt/layers/quantization/modelopt_quant.py, fp8.py and compressed_tensors/compressed_tensors.py).
"""

from kvcalc.model import Model

METHODS = ("modelopt", "fp8", "mxfp8")
"""Methods, by their beginning, whose class hands the algorithm on as it is written."""


def checkpoint_format(model: Model) -> str | None:
    """The element type that a checkpoint asks for; None where SGLang takes none of it."""
    scheme = model.cache_scheme
    if scheme is None or scheme.algorithm.upper() != "FP8":
        return None
    if scheme.method.startswith(METHODS):
        return "fp8_e4m3"
    static = scheme.strategy == "tensor" and scheme.symmetric is not False and not scheme.dynamic
    return "fp8_e4m3" if scheme.method == "compressed-tensors" and static else None
