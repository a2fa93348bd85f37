"""What was not read of SGLang's releases before the newest, and is refused by name."""

from collections.abc import Iterator

from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model

READ = frozenset({"full_attention", "sliding_attention", "chunked_attention", "latent_attention"})
READ_FORMATS = (None, "bfloat16", "float16", "fp8_e4m3", "fp8_e5m2")


def require_read(model: Model, settings: SglangSettings) -> None:
    """Refuse what of a request's cache was not read of the release.

    Raises:
        UnsupportedError: a kind of layer, a format or a setting; the sentence names it.
    """
    if settings.standing.rules["all_read"].value:
        return
    for what in _unread(model, settings):
        raise _unknown(settings, what)


def require_pools_read(settings: SglangSettings) -> None:
    """Refuse to cut a memory as a release does of which that was not read.

    Raises:
        UnsupportedError: it is such a release.
    """
    if not settings.standing.rules["all_read"].value:
        raise _unknown(settings, "how a memory is cut into pools")


def _unread(model: Model, settings: SglangSettings) -> Iterator[str]:
    for kind in sorted(model.kinds - READ):
        yield f"how {kind} layers are stored"
    if any(cache.sparse for cache in model.caches_of(LatentAttention)):
        yield "how sparse latent rows are stored"
    if settings.kv_cache_dtype not in READ_FORMATS:
        yield f"how {settings.kv_cache_dtype} is stored"
    if settings.speculative_num_draft_tokens is not None:
        yield "what drafts add"
    if settings.gpu is not None and settings.page_size is None:
        yield "the page by the GPU; give page_size"


def _unknown(settings: SglangSettings, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"release: found {settings.standing.version}, of which sglang's rules are not known to "
        f"kvcalc: {what}",
        engine="sglang",
        what=what,
    )
