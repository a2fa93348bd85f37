"""Budgets worked by hand, each engine's by its own rule."""

from fractions import Fraction
from itertools import product

import pytest

from kvcalc import engines
from kvcalc.answers.fit.card import card
from kvcalc.engines.memory import Card, Memory
from kvcalc.engines.sglang.backend import hardware
from kvcalc.engines.sglang.memory_share import mem_fraction_static
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.tiers import SMALL_CHUNKS, TIERS, tier_of
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.readers import load
from tests.each import each

GB = 10**9
CARD = Card("a card", 100 * GB, 100 * GB)
SHARING = ("vllm", "sglang", "lmdeploy", "tensorrt-llm")
WHOLE = ("ideal", "transformers", "llama.cpp", "mlx", "exllamav3")


def rule(engine: str) -> Memory:
    memory = engines.find(engine).memory
    assert memory is not None
    return memory


def test_every_engine_states_its_rule_and_where_it_is_defined() -> None:
    assert {*SHARING, *WHOLE} == {name for name in engines.ENGINES if engines.find(name).memory}
    for name in (*SHARING, *WHOLE):
        assert (rule(name).share is not None) == (name in SHARING)
        assert rule(name).source
        assert rule(name).reserve_source


def test_vllm_takes_92_percent_of_the_whole_card_less_weights_and_reserve() -> None:
    """vLLM 0.33.0: requested_memory = ceil(total_memory * gpu_memory_utilization), 0.92 unless
    asked otherwise (config/cache.py, v1/worker/utils.py); the cache gets what the weights and the
    profiled rest leave of it (v1/worker/gpu_worker.py, determine_available_memory).
    An H200's 139.80 GiB are 150,109,106,995 bytes; 92 % of them 138,100,378,435.4, rounded up."""
    h200 = card("h200")
    taken = rule("vllm").taken(None, h200, {})
    made = rule("vllm").budget(h200, 118 * GB, 5 * GB, taken)
    assert made.cache == 138_100_378_436 - 118 * GB - 5 * GB
    assert made.reserve == 5 * GB


def test_sglang_keeps_back_what_mem_fraction_static_leaves_of_the_free_memory() -> None:
    """SGLang 0.5.23: rest = free after loading - free before * (1 - mem_fraction_static)
    (srt/mem_cache/kv_cache_configurator.py). H200, TP 4: 8,192 tokens a chunk at 1.5 MiB, 512 MiB,
    4 * 128 MiB of ranks and 2 MiB for each of 512 sequences are 14,336 MiB of 143,771,
    and 8 MiB for each of 58 sizes of prompts (srt/arg_groups/memory_hook.py), so
    f = round(0.89706..., 3) = 0.897."""
    h200 = card("h200")
    taken = rule("sglang").taken(None, h200, {"tensor_parallel_size": 4})
    made = rule("sglang").budget(h200, 118 * GB, 0, taken)
    assert taken == Fraction(897, 1000)
    assert made.cache == 150_109_106_995 * 897 // 1000 - 118 * GB
    assert made.cache + made.reserve + 118 * GB == h200.memory


@each(("gpu", "percent"), [("h100", 812), ("h200", 893), ("b200", 849)])
def test_sglangs_own_fraction_at_tp_8(gpu: str, percent: int) -> None:
    settings = {"tensor_parallel_size": 8}
    assert mem_fraction_static(card(gpu), settings) == Fraction(percent, 1000)


@each(
    ("gpu", "settings", "reserved_mib"),
    [
        ("t4", {}, 512 + 3072 + 128 + 2 * 8 + 8 * 42),
        ("l4", {}, 512 + 6144 + 128 + 2 * 48 + 8 * 50),
        ("l40s", {}, 512 + 6144 + 128 + 2 * 32 + 8 * 50),
        ("a100-80gb", {}, 512 + 12288 + 128 + 2 * 256 + 8 * 58),
        ("b200", {}, 512 + 24576 + 128 + 2 * 512 + 8 * 74),
        ("h100", {"chunked_prefill_size": 1024, "max_running_requests": 8}, 10 * 1024),
        ("h100", {"chunked_prefill_size": 16384}, 512 + 24576 + 128 + 2 * 256 + 8 * 74),
        # No size of prompts is larger than the pool.
        ("h100", {"max_total_tokens": 512}, 512 + 12288 + 128 + 2 * 256 + 8 * 30),
        # Prompts that are not cut are counted as max_prefill_tokens, 16,384.
        ("h100", {"chunked_prefill_size": -1}, 512 + 24576 + 128 + 2 * 256),
        ("h100", {"chunked_prefill_size": 0}, 512 + 24576 + 128 + 2 * 256),
        *(
            ("l40s", {"tensor_parallel_size": ranks}, 512 + 6144 + 128 * ranks + 2 * batch + 8 * 50)
            for ranks, batch in ((3, 32), (4, 160))
        ),
        (
            "h100",
            {"tensor_parallel_size": 2, "attn_dp_size": 2},
            512 + 12288 + 256 + 2 * 256 + 256 * 2 * 3 + 8 * 58,
        ),
        *(
            (
                "b200",
                {"attn_dp_size": 2, "max_running_requests": batch},
                512 + 24576 + 128 + 2 * batch + batch * padding + 8 * 74,
            )
            for batch, padding in ((300, 2 * 3), (301, 9))
        ),
        (
            "h100",
            {"tensor_parallel_size": 8, "attn_dp_size": 8},
            512 + 12288 + 1024 + 2 * 512 + 512 * 8 * 9 // 2 + 8 * 58,
        ),
    ],
)
def test_sglangs_reserve_in_mib(gpu: str, settings: dict[str, int], reserved_mib: int) -> None:
    memory = card(gpu).driver_memory // 2**20
    exact = Fraction(memory - reserved_mib, memory)
    assert abs(mem_fraction_static(card(gpu), settings) - exact) <= Fraction(1, 2000)


@each(
    ("gib", "below", "from_there_on"),
    [
        (20, 3072 + 2 * 8 + 8 * 42, 6144 + 2 * 48 + 8 * 50),
        (35, 6144 + 2 * 48 + 8 * 50, 6144 + 2 * 32 + 8 * 50),
        (60, 6144 + 2 * 32 + 8 * 50, 12288 + 2 * 256 + 8 * 58),
        (160, 12288 + 2 * 256 + 8 * 58, 24576 + 2 * 512 + 8 * 74),
    ],
)
def test_sglangs_chunks_and_graphs_grow_with_the_card(
    gib: int, below: int, from_there_on: int
) -> None:
    for mib, grown in ((gib * 1024 - 1, below), (gib * 1024, from_there_on)):
        fraction = mem_fraction_static(Card("a card", mib * 2**20, mib * 2**20), {})
        exact = Fraction(mib - 512 - 128 - grown, mib)
        assert abs(fraction - exact) <= Fraction(1, 2000), mib


@each(
    ("gpu", "tokens"),
    [("t4", 2048), ("l40s", 4096), ("h100", 8192), ("h200", 8192), ("b200", 16_384)],
)
def test_sglang_reads_prompts_in_chunks_by_the_card(gpu: str, tokens: int) -> None:
    assert hardware(gpu, TIERS, blackwell=False).chunked_prefill_size == tokens


@each(
    ("gib", "chunk", "batches"),
    [
        (16, 2048, (8, 8)),
        (24, 4096, (48, 160)),
        (48, 4096, (32, 160)),
        (80, 8192, (256, 512)),
        (180, 16_384, (512, 512)),
    ],
)
def test_sglangs_defaults_by_the_cards_memory(
    gib: int, chunk: int, batches: tuple[int, int]
) -> None:
    """srt/arg_groups/memory_hook.py: the largest batch of a graph on 1 rank, and on 4."""
    assert tier_of(TIERS, gib * 1024)[1:] == (chunk, *batches)
    smaller = (2048, 24, 80) if gib == 24 else (chunk, *batches)
    assert tier_of(SMALL_CHUNKS, gib * 1024)[1:] == smaller


@each("share", ["abc", "nan", "inf", "0", "-1", "1.01", "1e-10"])
def test_a_share_is_a_number_above_0_and_at_most_1(share: str) -> None:
    with pytest.raises(RequestError, match="expected a number above 0 and at most 1"):
        rule("lmdeploy").parsed(share)


def test_lmdeploy_takes_80_percent_of_what_is_free() -> None:
    """LMDeploy 0.16.0: cache_max_entry_count 0.8 of what weights and runtime leave free
    (messages.py, pytorch/engine/executor/base.py)."""
    taken = rule("lmdeploy").taken(None, CARD, {})
    assert rule("lmdeploy").budget(CARD, 20 * GB, 5 * GB, taken).cache == 60 * GB


@each("engine", WHOLE)
def test_other_engines_take_the_card_less_weights_and_reserve(engine: str) -> None:
    taken = rule(engine).taken(None, CARD, {})
    made = rule(engine).budget(CARD, 20 * GB, 5 * GB, taken)
    assert (made.cache, made.reserve, made.share) == (75 * GB, 5 * GB, None)


@each("engine", SHARING)
def test_weights_larger_than_the_card_leave_less_than_nothing(engine: str) -> None:
    taken = rule(engine).taken(None, CARD, {})
    assert rule(engine).budget(CARD, 101 * GB, 0, taken).cache < 0


SHARES = ["0", "1.01", "-0.5", "nan", "x", "", "inf", "1e-999999999"]


@each(("engine", "given"), product(SHARING, SHARES))
def test_a_share_outside_its_range_is_refused(engine: str, given: str) -> None:
    with pytest.raises(KvcalcError, match=f"{rule(engine).share}: found .*, expected a number"):
        rule(engine).taken(given, CARD, {})


def test_a_share_is_taken_as_it_is_written() -> None:
    assert rule("vllm").taken("0.95", CARD, {}) == Fraction(19, 20)


def test_a_share_is_the_engines_own_unless_given() -> None:
    own = {name: rule(name).taken(None, CARD, {}) for name in ("vllm", "lmdeploy", "tensorrt-llm")}
    assert own == {
        "vllm": Fraction("0.92"),
        "lmdeploy": Fraction("0.8"),
        "tensorrt-llm": Fraction("0.9"),
    }


@pytest.mark.parametrize("page", [1, 64])
@pytest.mark.parametrize(
    ("name", "token_bytes"), [("llama-3.1-8b", 32 * 4096), ("gpt-oss-20b", 12 * 2048 + 12 * 2048)]
)
def test_sglang_allocates_a_page_of_each_pool_beyond_its_budget(
    name: str, token_bytes: int, page: int
) -> None:
    """A page of the full pool, and where layers slide one of the window pool."""
    settings = SglangSettings(page_size=page)
    usable = rule("sglang").usable(load(name), settings, GB)
    assert usable == GB + page * token_bytes


def test_an_engines_defaults_follow_a_known_card_unless_given() -> None:
    vllm, ideal = engines.find("vllm"), engines.find("ideal")
    assert vllm.on_card(card("b200"), {"block_size": 32}) == {"gpu": "b200", "block_size": 32}
    assert vllm.on_card(card("b200"), {"gpu": "h200"}) == {"gpu": "h200"}
    assert vllm.on_card(CARD, {}) == {}
    assert ideal.on_card(card("b200"), {}) == {}
