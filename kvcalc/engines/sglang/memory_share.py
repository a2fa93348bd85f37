"""SGLang's own mem_fraction_static, where none is given."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from kvcalc.engines.memory import Card
from kvcalc.engines.sglang.tiers import TIERS, tier_of
from kvcalc.errors import UnsupportedError

WHOLE_PROMPTS = 16384
"""Tokens of a batch where prompts are not cut (max_prefill_tokens, srt/arg_groups/fields)."""


def mem_fraction_static(card: Card, settings: Mapping[str, Any]) -> Fraction:
    """Work out SGLang's own mem_fraction_static, a decimal of three places.

    In MiB it keeps back 512, 1.5 a token of a chunk, 128 a rank and 2 a sequence of the largest
    captured batch, 10 GiB at least on cards over 60 GiB; with attention data parallelism more for
    padding. Source: srt/arg_groups/memory_hook.py.
    """
    memory = max(1, card.driver_memory // 2**20)
    tier = tier_of(TIERS, memory)
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


def not_measured(card: Card, settings: Mapping[str, Any]) -> Fraction:
    """Refuse to guess it.

    Raises:
        UnsupportedError: always; earlier releases hold memory back for more kinds of graphs.
    """
    raise UnsupportedError.of(
        "mem_fraction_static",
        "missing, and what sglang takes by itself before 0.5.23 is not known to kvcalc; give it",
    )
