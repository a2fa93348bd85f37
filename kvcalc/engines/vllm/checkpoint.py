"""The cache format that vLLM takes of a checkpoint, where none is asked for.

ModelOpt's is settled before the model is built (utils/torch_utils.py, resolve_kv_cache_dtype_string
and get_kv_cache_quant_algo_string), that of compressed-tensors by each layer of keys and values as
it is built (model_executor/layers/attention/attention.py): layers of latent attention do not look.
"""

from kvcalc.engines.vllm.rules import Rules
from kvcalc.errors import UnsupportedError, quote
from kvcalc.layers.attention import Attention
from kvcalc.model import CacheScheme, Model

MODELOPT = {"fp8": "fp8_e4m3", "nvfp4": "nvfp4"}
"""vLLM's names for ModelOpt's algorithms; any other is ignored with a warning."""

STRATEGIES = ("tensor", "attn_head")


def checkpoint_format(model: Model, rules: Rules) -> str | None:
    """The format that a checkpoint asks for; None where vLLM takes none of it.

    Raises:
        KvcalcError: a scheme with which vLLM does not start.
    """
    scheme = model.cache_scheme
    if scheme is None or scheme.second:
        return None
    if scheme.method.startswith("modelopt"):
        return _of_modelopt(scheme, rules)
    heads = bool(model.caches_of(Attention))
    if scheme.method != "compressed-tensors" or not heads or not rules.scheme_of_heads:
        return None
    if scheme.algorithm != "FP8" or scheme.strategy not in STRATEGIES or not scheme.symmetric:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found the checkpoint's {quote(scheme.algorithm)} ({scheme.origin}), expected a "
            f"symmetric FP8 by {' or '.join(STRATEGIES)}, which vllm alone takes",
        )
    return "fp8"


def _of_modelopt(scheme: CacheScheme, rules: Rules) -> str | None:
    name = scheme.algorithm.lower()
    if name not in rules.modelopt_formats or (name == "fp8" and scheme.dynamic is not False):
        return None
    return MODELOPT[name]
