"""SGLang's own mem_fraction_static, where none is given."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import floor
from typing import Any

from kvcalc.engines.memory import Card
from kvcalc.engines.sglang.images import left_by, tower_of
from kvcalc.engines.sglang.prompt_graphs import prompt_graphs
from kvcalc.engines.sglang.tiers import TIERS, tier_of
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model

PLACES = 10**6
"""Of a share less a tower's, as many as its line has."""

WHOLE_PROMPTS = 16384
"""Tokens of a batch where prompts are not cut (max_prefill_tokens, srt/arg_groups/fields)."""


def mem_fraction_static(
    card: Card, settings: Mapping[str, Any], model: Model | None = None
) -> Fraction:
    """Work out SGLang's own mem_fraction_static, a decimal of three places, less for a tower.

    In MiB it keeps back 512, 1.5 a token of a chunk, 128 a rank, 2 a sequence of the largest
    captured batch and what graphs of prompts take, 10 GiB at least on cards over 60 GiB; with
    attention data parallelism more for padding. Source: srt/arg_groups/memory_hook.py.

    Raises:
        UnsupportedError: how much less it is beside the model's tower is not known.
    """
    memory = max(1, card.driver_memory // 2**20)
    tier = tier_of(TIERS, memory)
    ranks = settings.get("tensor_parallel_size") or 1
    asked = settings.get("chunked_prefill_size")
    whole = tier.chunked_prefill_size if asked is None else asked
    chunk = whole if whole > 0 else WHOLE_PROMPTS
    batch = tier.max_bs if ranks < 4 else tier.max_bs_from_4_ranks
    batch = min(batch, settings.get("max_running_requests") or batch)
    attention_ranks = settings.get("attn_dp_size") or 1
    reserved = 512 + Fraction(3, 2) * max(chunk, 2048) + 128 * ranks + 2 * batch
    if attention_ranks > 1:
        reserved += batch * attention_ranks * (3 if batch <= 300 else Fraction(9, 2))
    captured = min(whole, settings.get("max_total_tokens") or whole)
    reserved += prompt_graphs(model, card, captured)
    if memory > 60 * 1024:
        reserved = max(reserved, 10 * 1024)
    share = Decimal(int(2 * (memory - reserved))) / Decimal(2 * memory)
    rounded = Fraction(share.quantize(Decimal("0.001"), ROUND_HALF_EVEN))
    tower = tower_of(model)
    if tower is None:
        return rounded
    return Fraction(floor(rounded * left_by(tower) * PLACES), PLACES)


def not_measured(card: Card, settings: Mapping[str, Any], model: Model | None = None) -> Fraction:
    """Refuse to guess it.

    Raises:
        UnsupportedError: always; earlier releases hold memory back for more kinds of graphs.
    """
    raise UnsupportedError.of(
        "mem_fraction_static",
        "missing, and what sglang takes by itself before 0.5.23 is not known to kvcalc; give it",
    )
