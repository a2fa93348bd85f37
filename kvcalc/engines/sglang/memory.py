"""What SGLang gives its pools of a GPU's memory (0.5.23)."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from kvcalc.engines.memory import ALL, Card, Memory
from kvcalc.engines.sglang.backend import TIERS
from kvcalc.engines.sglang.buffers import FULL, WINDOW
from kvcalc.engines.sglang.layout import lay_out
from kvcalc.engines.sglang.pool_sizes import MOST_REQUESTS
from kvcalc.engines.sglang.resolved import resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.start_up import after_the_pool, parts
from kvcalc.model import Model

WHOLE_PROMPTS = 16384
"""Tokens of a batch where prompts are not cut (max_prefill_tokens, srt/arg_groups/fields)."""


def mem_fraction_static(card: Card, settings: Mapping[str, Any]) -> Fraction:
    """Work out SGLang's own mem_fraction_static, a decimal of three places.

    In MiB it keeps back 512, 1.5 a token of a chunk, 128 a rank and 2 a sequence of the largest
    captured batch, 10 GiB at least on cards over 60 GiB; with attention data parallelism more for
    padding. Source: srt/arg_groups/memory_hook.py.
    """
    memory = max(1, card.driver_memory // 2**20)
    tier = next(tier for tier in TIERS if memory < tier.below)
    ranks = settings.get("tensor_parallel_size") or 1
    asked = settings.get("chunked_prefill_size")
    chunk = tier.chunked_prefill_size if asked is None else asked if asked > 0 else WHOLE_PROMPTS
    batch = tier.max_bs if ranks < 4 else tier.max_bs_from_4_ranks
    batch = min(batch, settings.get("max_running_requests") or batch)
    attention_ranks = settings.get("attn_dp_size") or 1
    reserved = 512 + Fraction(3, 2) * max(chunk, 2048) + 128 * ranks + 2 * batch
    if attention_ranks > 1:
        reserved += batch * attention_ranks * (3 if batch <= 300 else Fraction(9, 2))
    if memory > 60 * 1024:
        reserved = max(reserved, 10 * 1024)
    share = Decimal(int(2 * (memory - reserved))) / Decimal(2 * memory)
    return Fraction(share.quantize(Decimal("0.001"), ROUND_HALF_EVEN))


def budget_and_a_page(model: Model, settings: SglangSettings, budget: int) -> int:
    """The budget, and the page that SGLang allocates beyond it (srt/mem_cache/memory_pool.py)."""
    layout = lay_out(model, settings, resolve(model, settings))
    return budget + layout.bytes_of(FULL) + layout.bytes_of(WINDOW)


MEMORY = Memory(
    source="SGLang 0.5.23, srt/arg_groups/memory_hook.py, "
    "srt/mem_cache/kv_cache_configurator.py (_profile_available_bytes)",
    reserve_source="(1 - mem_fraction_static) of the memory, which is for activations and graphs",
    share="mem_fraction_static",
    of=ALL,
    default=mem_fraction_static,
    usable=budget_and_a_page,
    several_pools=True,
    parts=parts,
    after_pool=after_the_pool,
    cap=lambda settings, _: settings.max_running_requests or MOST_REQUESTS,
)
