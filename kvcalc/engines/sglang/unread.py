"""What was not measured of SGLang's releases before the newest, and is refused by name."""

from collections.abc import Iterator

from kvcalc.engines.sglang.architectures import Traits
from kvcalc.engines.sglang.backend import FA4, PAGES, SPARSE_PAGE, Hardware
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model

MEASURED = frozenset(
    {"full_attention", "sliding_attention", "chunked_attention", "latent_attention"}
)
FORMATS = (None, "bfloat16", "float16", "fp8_e4m3", "fp8_e5m2")


def require_measured(
    model: Model, traits: Traits, settings: SglangSettings, machine: Hardware
) -> None:
    """Refuse what was not measured of the release.

    Raises:
        UnsupportedError: a kind of layer, a format, a setting or a GPU; the sentence names it.
    """
    if settings.standing.rules["all_measured"].value:
        return
    for what in _unknown(model, traits, settings, machine):
        raise UnsupportedError(
            f"release: found {settings.standing.version}, whose rules of sglang are not known to "
            f"kvcalc: {what}",
            engine="sglang",
            what=what,
        )


def _unknown(
    model: Model, traits: Traits, settings: SglangSettings, machine: Hardware
) -> Iterator[str]:
    for kind in sorted(model.kinds - MEASURED):
        yield f"how {kind} layers are stored"
    sparse = [cache for cache in model.caches_of(LatentAttention) if cache.sparse]
    if any(cache.index_head_dim is None or cache.index_pool for cache in sparse):
        yield "which layers have an indexer's keys"
    if settings.kv_cache_dtype not in FORMATS:
        yield f"how {settings.kv_cache_dtype} is stored"
    if settings.speculative_num_draft_tokens is not None or settings.draft_layers:
        yield "what drafts add"
    yield from _page(traits, settings, machine)


def _page(traits: Traits, settings: SglangSettings, machine: Hardware) -> Iterator[str]:
    """What a backend or a GPU may make of the page."""
    page, backend = settings.page_size, settings.attention_backend
    if backend == FA4 or (backend in PAGES and page != SPARSE_PAGE):
        yield f"the page of attention_backend {backend}"
    if machine.major == 0 and page is None:
        yield f"the page on {machine.name}; give page_size"
    if machine.blackwell and (traits.sparse or traits.asymmetric):
        yield f"what it takes on {machine.name}"
    elif machine.blackwell and page != SPARSE_PAGE:
        yield f"the page on {machine.name}; give page_size {SPARSE_PAGE}"
