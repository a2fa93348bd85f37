"""What an engine gives its cache of a GPU's memory, by its own rule, in whole bytes of one GPU."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, NamedTuple

from kvcalc.errors import KvcalcError, quote

DRIVER_IS_HIGH = (
    "the memory is the driver's figure: what a framework sees is up to 1.8 % less "
    "(RTX 3090: 23.58 of 24 GiB; A100 40GB: 39.38 of 40 GiB)"
)


class Card(NamedTuple):
    """One GPU: its name, the memory to start from, what its driver reports, both in bytes."""

    name: str
    memory: int
    driver_memory: int
    notes: tuple[str, ...] = ()


class Rule(NamedTuple):
    """How an engine makes its budget.

    A share of all memory, or of what is free of weights and reserve, is the cache's: the setting
    `share` (None: all). `default` gives it, from the card and settings. `source` and
    `reserve_source` say where the engine defines it, and why nothing more is held back unasked.
    """

    source: str
    reserve_source: str
    share: str | None = None
    of_free: bool = False
    default: Callable[[Card, Mapping[str, Any]], Fraction] = lambda card, settings: Fraction(1)
    rest_is_reserve: bool = False


class Budget(NamedTuple):
    """Bytes on one GPU: for the cache, and held back.

    `cache` is below 0 where weights and reserve are too large; `share` is the fraction that was
    taken, None where an engine has none.
    """

    cache: int
    reserve: int
    share: Fraction | None
    rule: Rule


class Tier(NamedTuple):
    """SGLang's defaults for cards of less than `below` MiB.

    They are the tokens of a prompt's chunk, and the largest batch of a captured graph, on fewer
    than 4 ranks and on more.
    """

    below: int
    chunked_prefill_size: int
    max_bs: int
    max_bs_from_4_ranks: int


SGLANG_TIERS = (
    Tier(20 * 1024, 2048, 8, 8),
    Tier(35 * 1024, 4096, 48, 160),
    Tier(60 * 1024, 4096, 32, 160),
    Tier(160 * 1024, 8192, 256, 512),
    Tier(2**60, 16384, 512, 512),
)
"""SGLang 0.5.23, srt/arg_groups/memory_hook.py."""


WHOLE_PROMPTS = 16384
"""Tokens of a batch where prompts are not cut (max_prefill_tokens, srt/arg_groups/fields)."""


def sglang_mem_fraction_static(card: Card, settings: Mapping[str, Any]) -> Fraction:
    """Work out SGLang's own mem_fraction_static, a decimal of three places.

    In MiB it keeps back 512, 1.5 a token of a chunk, 128 a rank and 2 a sequence of the largest
    captured batch, 10 GiB at least on cards over 60 GiB; with attention data parallelism more for
    padding. Source: SGLang 0.5.23, srt/arg_groups/memory_hook.py.
    """
    memory = max(1, card.driver_memory // 2**20)
    tier = next(tier for tier in SGLANG_TIERS if memory < tier.below)
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


def _constant(text: str) -> Callable[[Card, Mapping[str, Any]], Fraction]:
    return lambda card, settings: Fraction(text)


WHOLE = Rule(
    source="all of the card: it asks for memory as it needs it",
    reserve_source="0: nothing says what it uses besides; give what you see",
)

RULES = {
    "vllm": Rule(
        source="vLLM 0.33.0, config/cache.py, v1/worker/utils.py (request_memory)",
        reserve_source="0: vLLM measures activations and graphs when it starts "
        "(v1/worker/gpu_worker.py) and no figure of them is published; give what its log shows",
        share="gpu_memory_utilization",
        default=_constant("0.92"),
    ),
    "sglang": Rule(
        source="SGLang 0.5.23, srt/arg_groups/memory_hook.py, "
        "srt/mem_cache/kv_cache_configurator.py (_profile_available_bytes)",
        reserve_source="(1 - mem_fraction_static) of the memory, which is for activations and "
        "graphs",
        share="mem_fraction_static",
        default=sglang_mem_fraction_static,
        rest_is_reserve=True,
    ),
    "lmdeploy": Rule(
        source="LMDeploy 0.16.0, messages.py, pytorch/engine/executor/base.py",
        reserve_source="0: LMDeploy keeps back 2 bytes for each word of its vocabulary, times "
        "(max_prefill_token_num + 2 max_batch_size), and a model's shape does not say its "
        "vocabulary; give it",
        share="cache_max_entry_count",
        of_free=True,
        default=_constant("0.8"),
    ),
    "tensorrt-llm": Rule(
        source="TensorRT-LLM, tensorrt_llm/_torch/pyexecutor/resource_manager.py",
        reserve_source="0: TensorRT-LLM measures it when it starts; give what its log shows",
        share="free_gpu_memory_fraction",
        of_free=True,
        default=_constant("0.9"),
    ),
}
"""The engines that have a rule; any other takes the card less weights and reserve."""


def rule(engine: str) -> Rule:
    """An engine's rule."""
    return RULES.get(engine, WHOLE)


def share(engine: str, given: object, card: Card, settings: Mapping[str, Any]) -> Fraction:
    """The share of the memory that the engine takes: as given, else by its own rule.

    Raises:
        KvcalcError: it is no number above 0 and at most 1.
    """
    own = rule(engine)
    if given is None:
        return own.default(card, settings)
    try:
        asked = Decimal(str(given))
    except InvalidOperation:
        asked = Decimal(0)
    # A comparison with nan raises, and a huge exponent makes a huge fraction.
    fine = asked.is_finite() and Decimal("1e-9") <= asked <= 1
    if not fine:
        raise KvcalcError(
            f"{own.share}: found {quote(given)}, expected a number above 0 and at most 1"
        )
    return Fraction(asked.quantize(Decimal("1e-9")))


def budget(engine: str, card: Card, weights: int, reserve: int, taken: Fraction) -> Budget:
    """Make the budget: all in bytes of one GPU, `weights` and `reserve` those on it."""
    own = rule(engine)
    if own.of_free:
        free = card.memory - weights - reserve
        cache = free * taken.numerator // taken.denominator if free > 0 else free
    elif own.rest_is_reserve:
        static = card.memory * taken.numerator // taken.denominator
        reserve += card.memory - static
        cache = card.memory - weights - reserve
    else:
        # vLLM rounds what it requests up.
        requested = -(-card.memory * taken.numerator // taken.denominator)
        cache = requested - weights - reserve
    return Budget(cache, reserve, taken if own.share else None, own)
