"""The largest cache that a memory holds: `cache_size` is the user's number, not the engine's."""

from kvcalc.costs import formula
from kvcalc.engines.exllamav3.layout import layout
from kvcalc.engines.exllamav3.settings import PAGE, ExllamaV3Settings
from kvcalc.errors import TooLittleMemoryError, UnsupportedError
from kvcalc.model import Model
from kvcalc.pools import Pool


def pool(
    model: Model, settings: ExllamaV3Settings, memory: int | tuple[int, ...], context: int
) -> Pool:
    """Find the largest `cache_size` whose pages fit beside the states, or take the one given.

    Raises:
        UnsupportedError: as `cost`; or a model that keeps nothing in pages.
        TooLittleMemoryError: the states and one page, or the cache asked for, do not fit.
    """
    made = layout(model, settings)
    page, states = (formula(model, part)(context) for part in (made.page_bytes, made.states))
    if not page:
        raise UnsupportedError(
            f"exllamav3 keeps nothing of {model.name} in pages: no cache_size is the largest",
            what="cache_size",
        )
    available = memory if isinstance(memory, int) else min(memory)
    pages = made.cache_pages or (available - states) // page
    needed = states + (made.cache_pages or 1) * page
    if available < needed:
        raise TooLittleMemoryError(
            f"memory: found {available:,} bytes, and exllamav3 needs {needed:,}",
            needed_bytes=needed,
            available_bytes=available,
        )
    each = formula(model, made.pages)(context)
    slots = settings.autosplit_max_batch_size if made.has_states else pages
    size = pages * PAGE
    return Pool(
        model=model,
        engine="exllamav3",
        kv_cache_dtype=settings.stored,
        settings=settings.changed(),
        context=context,
        bytes=states + pages * page,
        capacity_tokens=size,
        max_sequences=min(pages // each, slots),
        figures={
            "cache_size": size,
            "bytes_per_page": page,
            "pages_per_request": each,
            "state_bytes": states,
        },
        note="" if settings.cache_size else f"cache_size {size:,} is the largest that fits",
    )
