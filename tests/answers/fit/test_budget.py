"""Budgets worked by hand, each engine's by its own rule."""

from fractions import Fraction

import pytest

from kvcalc.answers.fit import card
from kvcalc.answers.fit.budget import (
    DRIVER_IS_HIGH,
    RULES,
    Card,
    budget,
    rule,
    sglang_mem_fraction_static,
    share,
)
from kvcalc.catalogue.gpus import catalogue
from kvcalc.errors import KvcalcError

GB = 10**9
CARD = Card("a card", 100 * GB, 100 * GB)


def test_vllm_takes_92_percent_of_the_whole_card_less_weights_and_reserve() -> None:
    """vLLM 0.33.0: requested_memory = ceil(total_memory * gpu_memory_utilization), 0.92 unless
    asked otherwise (config/cache.py, v1/worker/utils.py); the cache gets what the weights and the
    profiled rest leave of it (v1/worker/gpu_worker.py, determine_available_memory).
    An H200's 143,771 MiB are 150,754,820,096 bytes; 92 % of them 138,694,434,488.32, rounded up."""
    h200 = card("h200")
    taken = share("vllm", None, h200, {})
    made = budget("vllm", h200, 118 * GB, 5 * GB, taken)
    assert made.cache == 138_694_434_489 - 118 * GB - 5 * GB
    assert made.reserve == 5 * GB


def test_sglang_keeps_back_what_mem_fraction_static_leaves_of_the_free_memory() -> None:
    """SGLang 0.5.23: rest = free after loading - free before * (1 - mem_fraction_static)
    (srt/mem_cache/kv_cache_configurator.py). H200, TP 4: 8,192 tokens a chunk at 1.5 MiB, 512 MiB,
    4 * 128 MiB of ranks and 2 MiB for each of 512 sequences are 14,336 MiB of 143,771
    (srt/arg_groups/memory_hook.py), so f = round(0.90028..., 3) = 0.9."""
    h200 = card("h200")
    taken = share("sglang", None, h200, {"tensor_parallel_size": 4})
    made = budget("sglang", h200, 118 * GB, 0, taken)
    assert taken == Fraction(9, 10)
    assert made.cache == 150_754_820_096 * 9 // 10 - 118 * GB
    assert made.cache + made.reserve + 118 * GB == h200.memory


@pytest.mark.parametrize(("gpu", "percent"), [("h100", 818), ("h200", 897), ("b200", 852)])
def test_sglangs_own_fraction_at_tp_8(gpu: str, percent: int) -> None:
    settings = {"tensor_parallel_size": 8}
    assert sglang_mem_fraction_static(card(gpu), settings) == Fraction(percent, 1000)


@pytest.mark.parametrize(
    ("gpu", "settings", "reserved_mib"),
    [
        ("t4", {}, 512 + 3072 + 128 + 2 * 8),
        ("l4", {}, 512 + 6144 + 128 + 2 * 48),
        ("l40s", {}, 512 + 6144 + 128 + 2 * 32),
        ("a100-80gb", {}, 512 + 12288 + 128 + 2 * 256),
        ("b200", {}, 512 + 24576 + 128 + 2 * 512),
        ("h100", {"chunked_prefill_size": 1024, "max_running_requests": 8}, 10 * 1024),
        ("h100", {"chunked_prefill_size": 16384}, 512 + 24576 + 128 + 2 * 256),
        (
            "h100",
            {"tensor_parallel_size": 8, "attn_dp_size": 8},
            512 + 12288 + 1024 + 2 * 512 + 512 * 8 * 9 // 2,
        ),
    ],
)
def test_sglangs_reserve_in_mib(gpu: str, settings: dict[str, int], reserved_mib: int) -> None:
    memory = card(gpu).driver_memory // 2**20
    exact = Fraction(memory - reserved_mib, memory)
    assert abs(sglang_mem_fraction_static(card(gpu), settings) - exact) <= Fraction(1, 2000)


def test_lmdeploy_takes_80_percent_of_what_is_free() -> None:
    """LMDeploy 0.16.0: cache_max_entry_count 0.8 of what weights and runtime leave free
    (messages.py, pytorch/engine/executor/base.py)."""
    taken = share("lmdeploy", None, CARD, {})
    assert budget("lmdeploy", CARD, 20 * GB, 5 * GB, taken).cache == 60 * GB


@pytest.mark.parametrize("engine", ["ideal", "transformers", "llama.cpp", "mlx"])
def test_other_engines_take_the_card_less_weights_and_reserve(engine: str) -> None:
    taken = share(engine, None, CARD, {})
    made = budget(engine, CARD, 20 * GB, 5 * GB, taken)
    assert (made.cache, made.reserve, made.share) == (75 * GB, 5 * GB, None)


@pytest.mark.parametrize("engine", RULES)
def test_weights_larger_than_the_card_leave_less_than_nothing(engine: str) -> None:
    assert budget(engine, CARD, 101 * GB, 0, share(engine, None, CARD, {})).cache < 0


@pytest.mark.parametrize("given", ["0", "1.01", "-0.5", "nan", "x", "", "inf", "1e-999999999"])
@pytest.mark.parametrize("engine", RULES)
def test_a_share_outside_its_range_is_refused(engine: str, given: str) -> None:
    with pytest.raises(KvcalcError, match=f"{rule(engine).share}: found .*, expected a number"):
        share(engine, given, CARD, {})


def test_a_share_is_taken_as_it_is_written() -> None:
    assert share("vllm", "0.95", CARD, {}) == Fraction(19, 20)


def test_the_start_is_what_a_framework_sees_else_the_drivers_figure_marked_as_high() -> None:
    assert card("h100").memory == 7910 * 2**30 // 100
    assert card("h100").notes == ()
    assert card("h200").memory == 143_771 * 2**20
    assert card("h200").notes == (DRIVER_IS_HIGH,)
    assert "only one source" in " ".join(card("rtx-5070-ti").notes)
    assert card(None, 141 * GB, "141GB") == Card("141GB", 141 * GB, 141 * GB)


def test_no_framework_saw_less_than_the_mark_says() -> None:
    seen = [(gpu.framework_visible, gpu.memory_bytes) for gpu in catalogue()]
    assert all(sees is None or whole * 982 <= sees * 1000 for sees, whole in seen)
