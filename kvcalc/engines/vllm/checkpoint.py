"""The cache format that vLLM takes of a checkpoint, where none is asked for, or in spite of it.

ModelOpt's is settled before the model is built (utils/torch_utils.py, resolve_kv_cache_dtype_string
and get_kv_cache_quant_algo_string), that of compressed-tensors by each layer of keys and values as
it is built (model_executor/layers/attention/attention.py): layers of latent attention do not look.
"""

from kvcalc.checkpoint import CacheScheme
from kvcalc.engines.vllm.rules import Rules
from kvcalc.errors import UnsupportedError, quote
from kvcalc.layers.attention import Attention
from kvcalc.model import Model

MODELOPT = {"fp8": "fp8_e4m3", "nvfp4": "nvfp4"}
"""vLLM's names for ModelOpt's algorithms; any other is ignored with a warning."""

STRATEGIES = ("tensor", "attn_head")


def checkpoint_format(model: Model, rules: Rules) -> str | None:
    """The format that a checkpoint asks for; None where vLLM takes none of it.

    Raises:
        UnsupportedError: a scheme with which vLLM does not start.
    """
    scheme = model.cache_scheme
    if scheme is None or scheme.second:
        return None
    if scheme.method.startswith("modelopt"):
        return _of_modelopt(scheme, rules)
    if not _is_of_heads(model) or rules.scheme_of_heads == "ignored":
        return None
    if scheme.algorithm != "FP8" or scheme.strategy not in STRATEGIES or not scheme.symmetric:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found the checkpoint's {quote(scheme.algorithm)} ({scheme.origin}), expected a "
            f"symmetric FP8 by {' or '.join(STRATEGIES)}, which vllm alone takes",
        )
    return "fp8"


def overrules(model: Model, rules: Rules) -> bool:
    """Whether a checkpoint's scheme stands whatever format is asked for."""
    return rules.scheme_of_heads == "overrules" and _is_of_heads(model)


def _is_of_heads(model: Model) -> bool:
    """Whether the layers of keys and values look for a scheme of compressed-tensors."""
    scheme = model.cache_scheme
    of_theirs = scheme is not None and scheme.method == "compressed-tensors" and not scheme.second
    return of_theirs and bool(model.caches_of(Attention))


def _of_modelopt(scheme: CacheScheme, rules: Rules) -> str | None:
    name = scheme.algorithm.lower()
    if name not in rules.modelopt_formats or (name == "fp8" and scheme.dynamic is not False):
        return None
    return MODELOPT[name]
