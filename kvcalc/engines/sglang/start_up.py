"""What a start of SGLang takes of a GPU beside its weights: before its pools, and after them.

Its pools get mem_fraction_static of what is free before the weights are loaded, less what loading
takes (srt/mem_cache/kv_cache_configurator.py, _profile_available_bytes). By then contexts and
communicators have a part of the GPU; and once the pools stand, tables are made of what is left
(srt/mem_cache/memory_pool.py, srt/mem_cache/allocator/swa.py).
"""

from collections.abc import Mapping

from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import MemoryPart, exact
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.model import Model
from kvcalc.pools import Pool

NVIDIA, OTHERS = "NVIDIA", "others"

ONE_RANK = "logs of Qwen3 on RTX 4090, on cards of 48 GB and on MI355X"
RANKS = "0.19.0 of vLLM on 2 and 4 H100; SGLang's logs of GLM-5 and Kimi-K2.5 on 8 MI355X"

OUTSIDE: Mapping[tuple[str, bool], tuple[int, int, int, str]] = {
    (NVIDIA, False): (50, 20, 100, ONE_RANK),
    (NVIDIA, True): (165, 30, 260, RANKS),
    (OTHERS, False): (90, 20, 120, ONE_RANK),
    (OTHERS, True): (250, 30, 670, RANKS),
}
"""Hundredths of a GiB, the likely, the least and the most, by the GPU's maker and by whether ranks
share a model. A log has it between what a framework sees of the GPU and its first "avail mem", and
in "mem usage" beyond the weights' bytes."""

TABLES = {
    "req_to_token": ("request table", "srt/mem_cache/memory_pool.py (ReqToTokenPool)"),
    "full_to_swa_index_mapping": (
        "map to the window pool",
        "srt/mem_cache/allocator/swa.py (full_to_swa_index_mapping)",
    ),
}
"""What stands beside the pools, by its name in the figures of a pool."""


def parts(
    model: Model, settings: SglangSettings, card: Card, free: int
) -> tuple[tuple[MemoryPart, ...], ...]:
    """What is gone of the GPU when its pools are made, beside the weights' bytes."""
    from kvcalc.catalogue.gpus import find, names

    named = settings.gpu or (card.name if card.name in names() else None)
    maker = NVIDIA if named is None or find(named).compute_capability else OTHERS
    *hundredths, source = OUTSIDE[maker, settings.tensor_parallel_size > 1]
    likely, low, high = (2**30 * int(each) // 100 for each in hundredths)
    return ((MemoryPart("outside of PyTorch", likely, low, high, "estimate", source),),)


def after_the_pool(pool: Pool) -> tuple[MemoryPart, ...]:
    """The tables beside a pool, which come out of what mem_fraction_static leaves."""
    figures = pool.figures
    return tuple(
        exact(name, figures[key], source)
        for key, (name, source) in TABLES.items()
        if key in figures
    )
