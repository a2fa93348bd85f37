"""What a start of SGLang takes beside its pools, against what public logs print."""

from typing import Any

import kvcalc
from kvcalc.catalogue.gpus import find
from kvcalc.engines.memory import Card
from kvcalc.engines.memory_outside import outside
from kvcalc.readers import load
from tests.each import each

GIB = 2**30
K_EXAONE = load("k-exaone-236b-a23b")
SCOUT = load("llama-4-scout")


@each(
    ("gpu", "ranks", "free_before", "beyond_weights"),
    [
        ("rtx-4090", 1, 23.09, 0.0),  # Qwen3.5-4B: avail 14.47 after 8.62
        ("mi355x", 1, 287.18, 0.09),  # Qwen3-30B-A3B: 230.20 after 56.98, of 56.89 of weights
        ("mi355x", 8, 283.56, 2.24),  # Kimi-K2.5: 209.98 after 73.58, of 71.34 of weights
        ("mi355x", 8, 283.62, 0.0),  # GLM-5: 194.04 after 89.58
    ],
)
def test_what_is_gone_before_the_pools_is_in_the_band(
    gpu: str, ranks: int, free_before: float, beyond_weights: float
) -> None:
    card = Card(gpu, find(gpu).usable_bytes, find(gpu).reported_bytes)
    part = outside(card, ranks)
    gone = card.memory - int((free_before - beyond_weights) * GIB)
    assert part.low <= gone <= part.high
    assert part.kind == "estimate"


def test_the_request_table_comes_out_of_what_the_share_leaves() -> None:
    """(requests + 1) x (context + 4) x 4 bytes: three logs lose as much once the pool stands."""
    found = kvcalc.fit(K_EXAONE, gpu="h200", gpus=4, engine="sglang", context=262_144)
    named = {part.name: part for part in found.parts}
    assert named["request table"].bytes == (2048 + 1) * (262_144 + 4) * 4
    assert named["request table"].kind == "exact"
    taken = sum(part.bytes for part in found.parts) + found.cache_memory_per_gpu
    assert taken - find("h200").usable_bytes == 12 * 4096  # the page beyond the pool, on a rank
    fewer = kvcalc.fit(
        K_EXAONE, gpu="h200", gpus=4, engine="sglang", context=262_144, max_running_requests=7
    )
    (table,) = (part for part in fewer.parts if part.name == "request table")
    assert table.bytes == (7 + 1) * (262_144 + 4) * 4


def test_a_table_that_is_too_large_is_told_before_the_start() -> None:
    """Llama 4 Scout at its 10,485,760 tokens: a table of 80 GiB beside its pool."""
    asked: dict[str, Any] = {"gpu": "h200", "gpus": 8, "engine": "sglang"}
    found = kvcalc.fit(SCOUT, **asked)
    assert (found.fits, found.promised_sequences) == (False, 0)
    assert found.binding == "what is made after the pool"
    assert kvcalc.fit(SCOUT, context=found.max_context, **asked).fits
    assert not kvcalc.fit(SCOUT, context=found.max_context + 1, **asked).fits
    fewer: tuple[dict[str, Any], ...] = ({"max_running_requests": 8}, {"reserve": 0})
    for enough in fewer:
        assert kvcalc.fit(SCOUT, context=found.max_context + 1, **asked, **enough).fits
