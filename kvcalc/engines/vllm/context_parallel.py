"""Context parallelism: which models' contexts vLLM can share among ranks.

vLLM 0.33.0: config/model.py (heads and ranks), v1/kv_cache_interface.py and
v1/core/kv_cache_coordinator.py (kinds of layers), v1/attention/backend.py (backends).
"""

from kvcalc.engines.vllm import states
from kvcalc.engines.vllm.kernels import BACKENDS
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import Attention
from kvcalc.model import Model

UNSHARED = (
    "sliding_attention",
    "chunked_attention",
    "compressed_attention",
    "cross_attention",
)
"""Kinds whose tokens every rank must have: no context parallelism with them."""

WITHOUT_DECODE = ("TRITON_ATTN", "TURBOQUANT")
"""Backends that return no softmax sums, so that parts of a context cannot be joined."""


def refuse_unshared(model: Model, settings: VllmSettings, backend: str) -> None:
    """Refuse to share contexts where vLLM cannot.

    Raises:
        UnsupportedError: the model has layers of a kind, or the backend kernels, that cannot; or
            the ranks do not hold copies enough of each KV head.
    """
    prefill, decode = (
        settings.prefill_context_parallel_size,
        settings.decode_context_parallel_size,
    )
    if prefill > 1:
        _refuse_kinds(
            "prefill_context_parallel_size", prefill, model.kinds & {*UNSHARED, *states.SHAPES}
        )
        if BACKENDS[backend].attention == "full":
            raise UnsupportedError.of(
                "prefill_context_parallel_size",
                f"found {prefill}, which vllm has for latent attention alone, expected 1",
            )
    if decode > 1:
        _refuse_kinds("decode_context_parallel_size", decode, model.kinds & {*UNSHARED})
        if backend in WITHOUT_DECODE:
            raise UnsupportedError.of(
                "decode_context_parallel_size",
                f"found {decode}, which {backend} cannot, expected 1",
            )
        if BACKENDS[backend].attention == "full":
            _refuse_heads(model, settings)


def _refuse_kinds(setting: str, size: int, kinds: frozenset[str]) -> None:
    if kinds:
        raise UnsupportedError.of(
            setting,
            f"found {size}, but vllm cannot share the contexts of "
            f"{' and '.join(sorted(kinds))} layers, expected 1",
        )


def _refuse_heads(model: Model, settings: VllmSettings) -> None:
    """Refuse ranks without copies of a KV head: its tokens could not be shared between them."""
    ranks, shards = settings.tensor_parallel_size, settings.decode_context_parallel_size
    for cache in model.caches_of(Attention):
        if ranks <= cache.kv_heads:
            raise UnsupportedError.of(
                "decode_context_parallel_size",
                f"found {shards}, which needs more ranks than the {cache.kv_heads} KV "
                f"heads, found tensor_parallel_size {ranks}",
            )
        queries = cache.query_heads // cache.kv_heads if cache.query_heads else shards
        if queries % shards:
            raise UnsupportedError.of(
                "decode_context_parallel_size",
                f"found {shards}, expected a divisor of the {queries} query heads of each KV head",
            )
