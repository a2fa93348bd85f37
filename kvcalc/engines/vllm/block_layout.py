"""How blocks lie in memory (v1/kv_cache_layout.py): block by block, or each layer by itself."""

from collections.abc import Sequence

from kvcalc.engines.vllm.backend import Chosen
from kvcalc.engines.vllm.caches import Cache, CircularCache, FullCache
from kvcalc.engines.vllm.kernels import ALIASES
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError

LAYOUTS_OF = {"TURBOQUANT": ("LBNHC",)}
"""Layouts of the backends that do not take any (supported_kv_cache_layouts)."""


def require_layout(settings: VllmSettings, chosen: Chosen) -> None:
    """Refuse a release whose layout of compressed attention is not known for the format.

    Raises:
        UnsupportedError: it is not.
    """
    stored = ALIASES.get((chosen.backend, chosen.cache_format), chosen.cache_format)
    if stored not in settings.rules.compressed_attention:
        raise UnsupportedError(
            f"release: found {settings.standing.version}, and kvcalc does not know how vllm "
            f"lays compressed_attention layers out in {stored}",
            engine="vllm",
            what="compressed_attention layers",
        )


def block_outermost(
    settings: VllmSettings, backend: str, attention: str, caches: Sequence[Cache]
) -> bool:
    """Whether blocks are the outermost dimension: as set, else where pages must be packed so.

    Raises:
        UnsupportedError: the backend, or the caches, allow only other layouts than the one that is
            set.
    """
    shards = {cache.shards for cache in caches if isinstance(cache, FullCache)}
    pages = {cache.page for cache in caches}
    rings = any(isinstance(cache, CircularCache) for cache in caches)
    # A draft whose pages are not the target's can only be packed beside them.
    packed = attention == "compressed" or rings or (len(shards) > 1 and len(pages) > 1)
    allowed = ("BLHNC", "BLNHC") if packed else LAYOUTS_OF.get(backend)
    layout = settings.kv_cache_layout
    if layout is None:
        return packed
    if allowed is not None and layout not in allowed:
        raise UnsupportedError.of(
            "kv_cache_layout",
            f"found {layout}, expected {' or '.join(allowed)} for this model on {backend}",
        )
    return layout.startswith("B")
