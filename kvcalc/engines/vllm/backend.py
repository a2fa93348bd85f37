"""The attention backend that vLLM takes for a model, its cache format and its block."""

from math import lcm
from typing import NamedTuple

from kvcalc.engines.vllm import formats
from kvcalc.engines.vllm.auto_format import BFLOAT16_IS_AUTO, AutoFormat, auto_format
from kvcalc.engines.vllm.checkpoint import overrules
from kvcalc.engines.vllm.kernels import BACKENDS, backend_for, kernels_of, usual_backends
from kvcalc.engines.vllm.pooled_index import least_block, pools_heads
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model

SPARSE_HEADS_BLOCK = 128
"""Tokens of a block where an indexer stands beside keys and values (MiniMax-M3)."""

SINKS = ("hy_v4",)
"""Model types whose sparse layers have sinks, which FlashMLA alone reads (models/hy_v4)."""

GENERATIONS = {"nvfp4": 10, "nvfp4_ds_mla": 10}
"""Formats of one GPU generation, by its compute capability before the dot."""


def attention_of(model: Model) -> str:
    """Name the kind of attention that decides the backend."""
    if "compressed_attention" in model.kinds:
        return "compressed"
    latent = model.caches_of(LatentAttention)
    if any(cache.sparse for cache in latent):
        return "sparse"
    return "latent" if latent else "full"


class Chosen(NamedTuple):
    """A backend and the format it stores; `by` says what chose that, "" where it was asked for."""

    backend: str
    cache_format: str
    by: str = ""


def backend_of(model: Model, settings: VllmSettings, attention: str) -> Chosen:
    """Choose the backend and the cache format.

    Raises:
        UnsupportedError: vLLM has no such backend for this attention, no such format on it, or not
            on the GPU that was named.
    """
    named = settings.attention_backend
    if pools_heads(model):
        named = "FLASH_ATTN"  # its own backend, whatever is named, reads as that does
    if settings.generation == 12 and named == "FLASHINFER_MLA_SPARSE_DSV4":
        named = "FLASHMLA_SPARSE_DSV4"  # there its rows are packed alike (deepseek_v4/nvidia)
    of_gpu = _of_generation(model, settings, attention)
    first = named or (of_gpu or usual_backends(attention))[0]
    asked = settings.kv_cache_dtype or "auto"
    not_as_asked = asked != "auto" and overrules(model, settings.rules)
    if not_as_asked or (asked == "bfloat16" and model.model_type in BFLOAT16_IS_AUTO):
        asked = "auto"
    form = AutoFormat(asked) if asked != "auto" else auto_format(model, settings, first)
    if form.name not in formats.FORMATS:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found the model's own {form.name}, expected one of {', '.join(formats.FORMATS)}",
        )
    backend = backend_for(attention, form.name, named, settings.block_size, of_gpu)
    _refuse_on_gpu(settings, form.name)
    return Chosen(backend, form.name, form.by + (", not by kv_cache_dtype" if not_as_asked else ""))


def _of_generation(model: Model, settings: VllmSettings, attention: str) -> tuple[str, ...] | None:
    """The backends of the named GPU's generation, first first; None where all have the same.

    Raises:
        UnsupportedError: vLLM has none for this attention on it.
    """
    if attention != "sparse":
        return None
    without_rope = any(not one.qk_rope_head_dim for one in model.caches_of(LatentAttention))
    generation = settings.generation
    if generation is None and not without_rope:
        return None
    found = settings.rules.sparse_backends.get(9 if generation is None else generation)
    if found is None:
        raise UnsupportedError.of(
            "gpu",
            f"found {settings.gpu}, for which vllm {settings.standing.version} has no backend of "
            "sparse latent attention",
        )
    if model.model_type in SINKS:
        return tuple(sorted(found, key=lambda name: name != "FLASHMLA_SPARSE"))
    if without_rope:
        return tuple(sorted(found, key=lambda name: name == "FLASHMLA_SPARSE"))
    return found


def _refuse_on_gpu(settings: VllmSettings, form: str) -> None:
    """Refuse a format that another generation than the named GPU's has."""
    if settings.gpu is None or form not in GENERATIONS:
        return
    if settings.generation != GENERATIONS[form]:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found {form}, which needs compute capability {GENERATIONS[form]}.x; "
            f"{settings.gpu} has {f'{settings.generation}.x' if settings.generation else 'none'}",
        )


def block_of(model: Model, settings: VllmSettings, backend: str, form: str) -> int:
    """Tokens of a block of attention: as set, else as the backend's kernels want.

    Raises:
        UnsupportedError: the kernels beside an indexer do not take the block that was set.
    """
    heads = model.caches_of(Attention)
    indexed = any(
        isinstance(one, FullAttention) and one.index_head_dim and not one.index_pool
        for one in heads
    )
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
    if (least := least_block(model, settings)) > 1:
        return lcm(least, kernels.block_size)
    if heads:
        version = settings.flash_attention_version
        sizes = heads[0].head_dim, heads[0].value_dim
        kernels = kernels_of(backend, version, form, *sizes)
    return kernels.block_size
