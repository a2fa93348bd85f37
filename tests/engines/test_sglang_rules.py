"""SGLang's rules of pages, rows and the request table, worked by hand."""

from typing import Any

import pytest

import kvcalc
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import (
    Mamba,
    ShortConvolution,
)
from kvcalc.model import Model
from tests.each import each
from tests.engines.sglang_models import DEEPSEEK, EXAONE, GIB, SPARSE, WHAT_IF, cost, pool, typed
from tests.shapes import DEEPSEEK_ROW, HEADS, full, latent, sliding


@pytest.mark.parametrize("window", [128, 4096])
def test_k_exaone_is_stored_in_full_at_either_window(window: int) -> None:
    exaone = cost(EXAONE.with_window(window))
    assert exaone(262_144) == 51_539_607_552
    assert exaone.why == "no window pool for this architecture: all 48 layers are stored in full"
    cut = pool(EXAONE.with_window(window))
    assert (cut.capacity_tokens, cut.bytes) == (273_066, 53_687_156_736)
    assert cut.figures["req_to_token"] == 2_148_565_008
    assert cut.max_sequences == 1


@each(
    ("settings", "a_token"),
    [
        ({}, 196_608),
        ({"draft_layers": 1}, 200_704),
        ({"tensor_parallel_size": 8}, 24_576),
        ({"tensor_parallel_size": 16}, 24_576),
        ({"kv_cache_dtype": "fp8_e5m2"}, 98_304),
        ({"kv_cache_dtype": "fp4_mx_block16"}, 55_296),
    ],
)
def test_a_token_of_k_exaone_on_one_gpu(settings: dict[str, Any], a_token: int) -> None:
    assert cost(EXAONE, **settings).per_gpu(1000) == 1000 * a_token


@each(
    ("model", "settings", "why"),
    [
        (
            WHAT_IF,
            {"chunked_prefill_size": 8192, "disable_radix_cache": True},
            "16,512 tokens per sliding layer while a prompt is read, not 128",
        ),
        (WHAT_IF, {"chunked_prefill_size": -1}, "a sliding layer holds the whole prompt"),
        (WHAT_IF, {"chunked_prefill_size": 0}, "a sliding layer holds the whole prompt"),
        (
            typed("qwen3_next", Mamba(kernel=4, inner=8, state=2)),
            {},
            "5 slots of recurrent state per request",
        ),
        (DEEPSEEK, {}, "one token per page: no more than attention itself needs"),
        (DEEPSEEK, {"page_size": 16}, "whole pages of 16 tokens"),
        (DEEPSEEK, {"tensor_parallel_size": 2}, "the latent row, whole on each of 2 ranks"),
        (typed("deepseek_v32", SPARSE), {}, "an indexer's key beside each latent row"),
        (
            typed("deepseek_v32", SPARSE),
            {"tensor_parallel_size": 2},
            "an indexer's key beside each latent row, whole on each of 2 ranks",
        ),
        (typed("llama", full()), {}, "one token per page: no more than attention itself needs"),
        (
            typed("llama", full()),
            {"tensor_parallel_size": 2, "page_size": 2},
            "whole pages of 2 tokens",
        ),
    ],
)
def test_a_cost_says_what_makes_it(model: Model, settings: dict[str, Any], why: str) -> None:
    assert cost(model, **settings).why == why


def test_pages_round_a_sequence_up() -> None:
    assert cost(EXAONE, page_size=64)(1000, sequences=3) == 3 * 1024 * 196_608


def test_attention_data_parallel_deals_sequences_to_groups() -> None:
    held = cost(EXAONE, tensor_parallel_size=8, attn_dp_size=4)
    assert held.per_gpu(1000, sequences=5) == 2 * 1000 * 48 * 4 * 512
    assert held(1000, sequences=5) == 5 * 1000 * 196_608
    cut = pool(EXAONE, tensor_parallel_size=8, attn_dp_size=4, context=1000)
    assert cut.max_sequences == 4 * (cut.capacity_tokens // 1000)


def test_latent_rows_are_whole_on_every_rank() -> None:
    held = cost(typed("deepseek_v3", latent(**DEEPSEEK_ROW)), tensor_parallel_size=8)
    assert held.per_gpu(1000) == 1000 * 1152
    assert held(1000) == 8 * held.per_gpu(1000)


@each(
    ("settings", "row"),
    [
        ({}, 1152 + 132),
        ({"kv_cache_dtype": "fp8_e4m3"}, 656 + 132),
        ({"gpu": "h200"}, 1152 + 132),
        ({"gpu": "b200"}, 576 + 132),
        ({"gpu": "b200", "kv_cache_dtype": "bf16"}, 1152 + 132),
    ],
)
def test_sparse_rows_depend_on_the_gpu(settings: dict[str, Any], row: int) -> None:
    assert cost(typed("deepseek_v32", SPARSE), **settings)(64) == 64 * row


def test_glm_keeps_scales_on_a_small_blackwell() -> None:
    settings = {"gpu": "rtx-5090", "kv_cache_dtype": "fp8_e4m3"}
    assert cost(typed("glm_moe_dsa", SPARSE), **settings)(64) == 64 * (656 + 132)
    assert cost(typed("deepseek_v32", SPARSE), **settings)(64) == 64 * (576 + 132)


def test_a_sparse_layer_without_an_indexer_of_its_own_keeps_no_key() -> None:
    shared = LatentAttention(**DEEPSEEK_ROW, sparse=True)
    assert cost(typed("glm_moe_dsa", SPARSE, shared))(64) == 64 * (2 * 1152 + 132)


@each(
    ("gpu", "dtype", "index"),
    [(None, None, 256), (None, "fp8_e4m3", 128), ("b200", "fp8_e4m3", 128), ("b200", None, 256)],
)
def test_minimax_m3_keeps_an_indexers_key_in_pages_of_128(
    gpu: str | None, dtype: str | None, index: int
) -> None:
    m3 = typed("minimax_m3", full(**HEADS, index_head_dim=128), full(**HEADS))
    a_token = 2 * 2048 * (1 if dtype else 2) + index
    assert cost(m3, gpu=gpu, kv_cache_dtype=dtype)(100) == 128 * a_token


@pytest.mark.parametrize("empty", [NoCache(), SharedCache()])
def test_a_layer_without_a_cache_gets_a_place_in_the_pool(empty: Layer) -> None:
    held = cost(typed("nemotron-nas", full(), empty))
    assert held(1000) == 2 * 4096 * 1000
    assert held.why == "1 layer without a cache of their own get a place in the pool too"


@each(
    ("model", "settings", "page"),
    [
        (EXAONE, {}, 64),
        (EXAONE, {"page_size": 32}, 32),
        (EXAONE, {"speculative_eagle_topk": 4}, 1),
        (EXAONE, {"attention_backend": "triton"}, 1),
        (typed("mimo_v2_flash", full(v_head_dim=64)), {}, 128),
        (typed("deepseek_v3", latent(**DEEPSEEK_ROW)), {}, 64),
        (typed("deepseek_v2", latent(**DEEPSEEK_ROW)), {}, 1),
        (typed("qwen3_next", Mamba(kernel=4, inner=8, state=2), full()), {}, 64),
        (
            typed("qwen3_next", Mamba(kernel=4, inner=8, state=2), full()),
            {"mamba_radix_cache_strategy": "no_buffer", "disable_overlap_schedule": True},
            1,
        ),
        (typed("lfm2", ShortConvolution(kernel=3, width=8), full()), {}, 1),
        (typed("beam", full()), {}, 64),
    ],
)
def test_the_page_that_a_backend_wants_on_blackwell(
    model: Model, settings: dict[str, Any], page: int
) -> None:
    assert pool(model, context=4096, gpu="b200", **settings).figures["page_size"] == page


OWN_PAGES = {
    "flashmla": {64},
    "trtllm_mla": {32, 64},
    "cutedsl_mla": {32, 64},
    "tokenspeed_mla": {32, 64},
    "trtllm_mha": {16, 32, 64, 128},
}
"""SGLang 0.5.23, srt/arg_groups/overrides.py."""


@each("backend", OWN_PAGES)
def test_a_page_that_a_backend_does_not_have_is_64(backend: str) -> None:
    runs = DEEPSEEK if backend.endswith("mla") else EXAONE
    asked = {"context": 4096, "gpu": "b200", "attention_backend": backend}
    for page in (1, 8, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129):
        own = page if page in OWN_PAGES[backend] else 64
        assert pool(runs, page_size=page, **asked).figures["page_size"] == own


@each(
    ("kv_cache_dtype", "bits"),
    [
        ("bfloat16", 16),
        ("float16", 16),
        ("float32", 32),
        ("fp8_e4m3", 8),
        ("fp8_e5m2", 8),
        ("nvfp4", 4 + 8 / 16),
        ("fp4_mx_block16", 4 + 8 / 16),
    ],
)
def test_an_element_has_its_types_bits_and_its_part_of_a_scale(
    kv_cache_dtype: str, bits: float
) -> None:
    one = cost(typed("llama", full()), kv_cache_dtype=kv_cache_dtype, gpu="b200")
    assert one(4096) * 16 == bits * cost(typed("llama", full()), gpu="b200")(4096)


@pytest.mark.parametrize(("v_head_dim", "more"), [(128, 8 * 2 * 2048), (64, 0)])
def test_keys_and_values_of_one_size_are_stored_in_whole_pages(v_head_dim: int, more: int) -> None:
    """1,000 tokens and 16 to spare lack 8 of whole pages (memory_pool.py, MHATokenToKVPool)."""
    model = typed(None, sliding(v_head_dim=v_head_dim), full(v_head_dim=v_head_dim))
    figures = pool(
        model,
        context=1000,
        page_size=16,
        max_total_tokens=1000,
        disable_radix_cache=True,
        max_running_requests=64,
    ).figures
    assert (figures["full_tokens"], figures["swa_tokens"]) == (992, 1000)
    assert figures["kv_storage_bytes"] - figures["kv_bytes"] == more


@each(
    ("release", "asked", "requests"),
    [
        ("0.5.13", None, 50),
        ("0.5.14", None, 50),
        # Older releases let more requests run than have two tokens each, where they are asked for.
        ("0.5.13", 80, 80),
        ("0.5.14", 80, 50),
    ],
)
def test_a_request_has_two_tokens_of_the_pool(
    release: str, asked: int | None, requests: int
) -> None:
    """srt/model_executor/model_runner_kv_cache_mixin.py, _resolve_max_num_reqs, of 100 tokens."""
    given: dict[str, Any] = {"context": 8, "max_total_tokens": 100, "max_running_requests": asked}
    found = kvcalc.pool(typed("llama", full()), f"sglang@{release}", memory=GIB, **given)
    assert found.figures["max_running_requests"] == requests


@pytest.mark.parametrize(("tokens", "warns"), [(98, True), (99, False)])
def test_a_request_table_of_more_than_a_tenth_of_the_pools_is_said(
    tokens: int, warns: bool
) -> None:
    """10 rows of 1,020 tokens and 4 to spare are 40,960 bytes, and 100 tokens ten times that."""
    asked = {"max_running_requests": 9, "max_total_tokens": tokens}
    figures = pool(typed("llama", full()), context=1020, **asked).figures
    assert figures["req_to_token"] == 40_960
    assert ("warning" in figures) == warns


def test_the_rank_with_the_least_memory_decides() -> None:
    least = pool(EXAONE, memory=20 * GIB).figures
    assert pool(EXAONE, memory=(30 * GIB, 20 * GIB)).figures == least


def test_settings_may_be_text() -> None:
    text: dict[str, Any] = {
        "page_size": "16",
        "swa_full_tokens_ratio": "0.5",
        "disable_radix_cache": "true",
        "kv_cache_dtype": "auto",
        "attn_dp_size": "2",
        "tensor_parallel_size": "4",
        "chunked_prefill_size": "-1",
    }
    typed_values: dict[str, Any] = {
        "page_size": 16,
        "swa_full_tokens_ratio": 0.5,
        "disable_radix_cache": True,
        "attn_dp_size": 2,
        "tensor_parallel_size": 4,
        "chunked_prefill_size": -1,
    }
    assert pool(WHAT_IF, **text) == pool(WHAT_IF, **typed_values)


@each(("page", "unit"), [(1, "token"), (2, "page"), (64, "page")])
def test_a_derivation_says_of_what_its_bytes_are(page: int, unit: str) -> None:
    steps = [step.name for group in cost(EXAONE, page_size=page).groups for step in group.steps]
    assert f"full.k_buffer, a {unit}" in steps
