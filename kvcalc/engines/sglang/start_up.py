"""What a start of SGLang takes of a GPU beside its weights: before its pools, and after them.

Its pools get mem_fraction_static of what is free before the weights are loaded, less what loading
takes (srt/mem_cache/kv_cache_configurator.py, _profile_available_bytes); once they stand, tables
are made of what is left (srt/mem_cache/memory_pool.py, srt/mem_cache/allocator/swa.py).
"""

from collections.abc import Iterator

from kvcalc.engines.memory import Card, Free, Open
from kvcalc.engines.memory_outside import outside
from kvcalc.engines.memory_part import MemoryPart, PartRule, exact
from kvcalc.engines.sglang.images import CACHED, tower_of
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.model import Model
from kvcalc.parameters.stored import Stored
from kvcalc.pools import Pool

IMAGES = "srt/mem_cache/kv_cache_configurator.py (mm_runtime_reservation_gb)"

TABLES = {
    "req_to_token": ("request table", "srt/mem_cache/memory_pool.py (ReqToTokenPool)"),
    "full_to_swa_index_mapping": (
        "map to the window pool",
        "srt/mem_cache/allocator/swa.py (full_to_swa_index_mapping)",
    ),
}
"""What stands beside the pools, by its name in the figures of a pool."""


def parts(
    model: Model, settings: SglangSettings, card: Card, free: Free
) -> tuple[tuple[MemoryPart, ...], ...]:
    """What is gone of the GPU when its pools are made, beside the weights' bytes."""
    return (tuple(_before_the_pool(model, settings, card)),)


def rules(
    model: Model,
    settings: SglangSettings,
    card: Card,
    left_open: Open,
    stored: tuple[Stored, ...],
) -> tuple[tuple[PartRule, ...], ...]:
    """The same, which no setting changes."""
    return (tuple(PartRule.of(part) for part in _before_the_pool(model, settings, card)),)


def _before_the_pool(model: Model, settings: SglangSettings, card: Card) -> Iterator[MemoryPart]:
    yield outside(card, settings.tensor_parallel_size)
    if tower_of(model) is not None:
        yield exact("cache of images", CACHED, IMAGES)


def after_the_pool(pool: Pool) -> tuple[MemoryPart, ...]:
    """The tables beside a pool, which come out of what mem_fraction_static leaves."""
    figures = pool.figures
    return tuple(
        exact(name, figures[key], source)
        for key, (name, source) in TABLES.items()
        if key in figures
    )
