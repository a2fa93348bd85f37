"""The attention backend that vLLM takes for a model, its cache format and its block."""

from kvcalc.engines.vllm import formats
from kvcalc.engines.vllm.checkpoint import checkpoint_format
from kvcalc.engines.vllm.kernels import BACKENDS, backend_for, kernels_of
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model

SPARSE_HEADS_BLOCK = 128
"""Tokens of a block where an indexer stands beside keys and values (MiniMax-M3)."""

GENERATIONS = {"nvfp4": "10.", "nvfp4_ds_mla": "10."}
"""Formats of one GPU generation, by the beginning of its compute capability."""


def attention_of(model: Model) -> str:
    """Name the kind of attention that decides the backend."""
    if "compressed_attention" in model.kinds:
        return "compressed"
    latent = model.caches_of(LatentAttention)
    if any(cache.sparse for cache in latent):
        return "sparse"
    return "latent" if latent else "full"


def backend_of(model: Model, settings: VllmSettings, attention: str) -> tuple[str, str]:
    """Choose the backend and the cache format.

    Raises:
        KvcalcError: vLLM has no such backend for this attention, no such format on it, or not on
            the GPU that was named.
    """
    given = settings.kv_cache_dtype or "auto"
    if given == "auto":
        given = checkpoint_format(model, settings.rules) or "auto"
    form = model.dtype if given == "auto" else given
    if form not in formats.FORMATS:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found the model's own {form}, expected one of {', '.join(formats.FORMATS)}",
        )
    if attention == "compressed" and given == "auto":
        form = "bfloat16" if settings.attention_backend == "FLASHINFER_MLA_SPARSE_DSV4" else "fp8"
    backend = backend_for(attention, form, settings.attention_backend, settings.block_size)
    _refuse_on_gpu(settings, form)
    return backend, form


def _refuse_on_gpu(settings: VllmSettings, form: str) -> None:
    """Refuse a format that another generation than the named GPU's has."""
    if settings.gpu is None or form not in GENERATIONS:
        return
    from kvcalc.catalogue.gpus import find

    capability = find(settings.gpu).compute_capability
    if capability is None or not capability.startswith(GENERATIONS[form]):
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found {form}, which needs compute capability {GENERATIONS[form]}x; "
            f"{settings.gpu} has {capability or 'none'}",
        )


def block_of(model: Model, settings: VllmSettings, backend: str, form: str) -> int:
    """Tokens of a block of attention: as set, else as the backend's kernels want.

    Raises:
        KvcalcError: the kernels beside an indexer do not take the block that was set.
    """
    heads = model.caches_of(Attention)
    indexed = any(isinstance(one, FullAttention) and one.index_head_dim for one in heads)
    block = settings.block_size
    if indexed and block is not None and block % SPARSE_HEADS_BLOCK:
        raise UnsupportedError.of(
            "block_size",
            f"found {block}, expected a multiple of {SPARSE_HEADS_BLOCK}, the block of "
            "the kernels beside an indexer",
        )
    if block is not None or indexed:
        return block or SPARSE_HEADS_BLOCK
    kernels = BACKENDS[backend]
    if heads:
        version = settings.flash_attention_version
        sizes = heads[0].head_dim, heads[0].value_dim
        kernels = kernels_of(backend, version, form, *sizes)
    return kernels.block_size
