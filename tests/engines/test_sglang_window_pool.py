"""The pool of sliding layers on SGLang: who has one, and how much a request holds of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.sglang.window_pool import WindowPool
from kvcalc.layers.latent import CompressedAttention
from tests.each import each
from tests.engines.sglang_life import life
from tests.engines.sglang_models import GIB, WHAT_IF, cost, pool, typed
from tests.shapes import full, sliding

DECODING = {"disaggregation_mode": "decode", "disable_radix_cache": True}


@each(
    ("settings", "full_tokens", "window_tokens"),
    [
        ({"swa_full_tokens_ratio": 0.8}, 321_254, 257_003),
        ({"swa_full_tokens_ratio": 0.05}, 949_797, 47_489),
        (
            {
                "disable_radix_cache": True,
                "max_running_requests": 32,
                "chunked_prefill_size": 8192,
            },
            1_018_343,
            24_641,
        ),
        # A server that decodes alone: 258 tokens of each request, and 129 of each on its way, of
        # which it expects twice 16, or as many as it is told, and beside 40 none.
        ({**DECODING, "max_running_requests": 16}, 1_067_498, 16 * 258 + 32 * 129),
        (
            {
                **DECODING,
                "max_running_requests": 16,
                "disaggregation_decode_extra_slots": 8,
            },
            1_076_786,
            16 * 258 + 8 * 129,
        ),
        ({**DECODING, "max_running_requests": 40}, 1_061_306, 40 * 258),
    ],
)
def test_its_shape_opted_in_gets_a_window_pool(
    settings: dict[str, Any], full_tokens: int, window_tokens: int
) -> None:
    figures = pool(WHAT_IF, **settings).figures
    assert (figures["full_tokens"], figures["swa_tokens"]) == (full_tokens, window_tokens)


WINDOWED = {
    "gpt_oss": 127,
    "gemma4": 127,
    "mellum": 127,
    "mimo_v2_flash": 128,
    "step3p7": 128,
    "laguna": 128,
    "granite_swa": 128,
    "llama": 128,
    None: 128,
}


@each(("model_type", "window"), WINDOWED.items())
def test_who_gets_a_window_pool_and_of_which_window(model_type: str | None, window: int) -> None:
    held = cost(
        typed(model_type, sliding(window=128), full()),
        disable_radix_cache=True,
        chunked_prefill_size=1000,
    )
    # The window and two chunks of a prompt.
    assert held(100_000) == 4096 * (100_000 + window + 2000)


@each(
    "model_type", ["exaone4", "exaone_moe", "gemma2", "gemma3_text", "olmo3", "mistral", "cohere2"]
)
def test_everyone_else_keeps_every_layer_in_full(model_type: str) -> None:
    held = cost(typed(model_type, sliding(window=128), full()))
    assert held(100_000) == 2 * 4096 * 100_000
    assert held.per_request(100_000) == held(100_000)


def test_the_window_pool_can_be_switched_off() -> None:
    held = cost(typed("gpt_oss", sliding(window=128), full()), disable_hybrid_swa_memory=True)
    assert held(100_000) == 2 * 4096 * 100_000
    assert held.why == "the window pool is switched off: all 2 layers are stored in full"
    none = cost(typed("exaone4", sliding(window=128), full()), disable_hybrid_swa_memory=True)
    assert none.why == "no window pool for this architecture: all 2 layers are stored in full"


@pytest.mark.parametrize("disable", [False, True])
def test_compressed_layers_have_a_window_pool_under_any_name(disable: bool) -> None:
    layers = [CompressedAttention(head_dim=512, window=128)] * 2
    ours, theirs = (
        cost(typed(name, *layers), disable_hybrid_swa_memory=disable)(8192)
        for name in ("deepseek_v4", "a_model_of_its_own")
    )
    assert ours == theirs


def test_llama_4_slides_by_its_chunk_and_has_a_large_request_table() -> None:
    scout = kvcalc.load("llama-4-scout")
    figures = pool(scout, tensor_parallel_size=8).figures
    assert figures["req_to_token"] == 85_941_321_744
    assert "request table of 85,941,321,744" in figures["warning"]
    assert cost(scout)(10**6) == 12 * 4096 * 10**6 + 36 * 4096 * (8192 + 4096)


def test_requests_share_the_window_pool_while_one_reads_its_prompt() -> None:
    held = cost(WHAT_IF, chunked_prefill_size=8192, disable_radix_cache=True)
    full_pool = 12 * 4096 * 16 * 262_144
    assert held(262_144, sequences=16) == full_pool + 36 * 4096 * (15 * 256 + 128 + 2 * 8192)
    # Short requests keep all that they have.
    assert held(100, sequences=16) == 48 * 4096 * 16 * 100
    with pytest.raises(kvcalc.KvcalcError, match="the larger of two needs"):
        held.per_request  # noqa: B018


def test_each_attention_group_has_a_window_pool_of_its_own() -> None:
    """Of 5 requests two groups have 3 and 2, and in each group one reads its prompt."""
    given = {"chunked_prefill_size": 8192, "disable_radix_cache": True}
    held = cost(WHAT_IF, tensor_parallel_size=2, attn_dp_size=2, **given)
    # Each group's chunks are half as long.
    window = (2 * 256 + 128 + 2 * 4096) + (256 + 128 + 2 * 4096)
    assert held(262_144, sequences=5) == 4096 * (5 * 12 * 262_144 + 36 * window)


def test_a_prompt_read_whole_is_held_whole() -> None:
    assert cost(WHAT_IF, chunked_prefill_size=-1)(50_000) == 48 * 4096 * 50_000


def test_a_model_whose_layers_all_slide_has_no_full_pool() -> None:
    ocr = typed("unlimited_ocr", sliding(window=128), max_context=8192)
    cut = pool(ocr, memory=GIB)
    assert (cut.figures["full_tokens"], cut.figures["swa_tokens"]) == (0, GIB // 4096)
    assert cut.bytes == (GIB // 4096 + 1) * 4096
    # This one keeps its prompts.
    assert cut.max_sequences == GIB // 4096 // 8192
    assert pool(ocr, memory=GIB, max_total_tokens=5000).capacity_tokens == 5000


@given(
    window=st.integers(1, 300),
    page=st.sampled_from([1, 4, 16, 64]),
    chunks=st.integers(1, 8),
    interval=st.integers(1, 200),
    prompt=st.integers(1, 2000),
    new=st.integers(1, 500),
    overlap=st.booleans(),
)
def test_no_moment_of_a_life_exceeds_what_is_counted(
    window: int, page: int, chunks: int, interval: int, prompt: int, new: int, overlap: bool
) -> None:
    keeping = WindowPool(page, chunks * page, interval, overlap, False, page, 1)
    counted = keeping.pages(-(-(prompt + new) // page), 1, window)
    assert isinstance(counted, int)
    # The first generated token may still join the chunks in flight.
    assert max(held for _, held in life(prompt, new, window, keeping)) <= counted * page + page


@given(
    keeping=st.builds(
        WindowPool,
        page=st.just(16),
        chunk=st.none() | st.integers(1, 9).map(lambda pages: 16 * pages),
        interval=st.integers(1, 300),
        overlap=st.booleans(),
        radix_cache=st.booleans(),
        ahead=st.integers(1, 40),
        drafted=st.integers(1, 8),
    ),
    pages=st.integers(1, 400),
    request=st.integers(1, 200),
    window=st.integers(1, 300),
)
def test_the_most_requests_of_a_window_pool_are_the_last_that_fit(
    keeping: WindowPool, pages: int, request: int, window: int
) -> None:
    fitting = [n for n in range(1, 500) if keeping.pages(request, n, window) <= pages]  # type: ignore[operator]
    assert keeping.most(pages, request, window) == max(fitting, default=0)


def test_a_window_pool_that_holds_one_request_and_a_page_is_too_small() -> None:
    assert pool(WHAT_IF, max_total_tokens=163).figures["swa_tokens"] == 130
    with pytest.raises(kvcalc.KvcalcError, match="the window pool gets 129 tokens"):
        pool(WHAT_IF, max_total_tokens=162)


@each(
    ("context", "tokens"),
    [
        # 4,096 tokens to generate are counted, of a shorter context all but one.
        (5096, (1000 - 128) + 128 + 1),
        (4097, 128 + 1),
        (100, 100 + 1),
    ],
)
def test_what_a_request_must_find_free_of_the_window_pool(context: int, tokens: int) -> None:
    """srt/mem_cache/prefill_budget.py, estimate_swa_kv_tokens."""
    figures = pool(WHAT_IF, context=context, chunked_prefill_size=8192).figures
    assert figures["swa_reserved_per_request"] == tokens


def test_only_a_server_that_decodes_alone_takes_a_chunk_of_no_whole_pages() -> None:
    """srt/arg_groups/validation_hook.py: 64 tokens of 16 groups are 4 of each."""
    groups = {"tensor_parallel_size": 16, "attn_dp_size": 16}
    given = {"page_size": 64, "chunked_prefill_size": 64, **groups}
    assert cost(WHAT_IF, **DECODING, **given)(8192) > 0
    with pytest.raises(kvcalc.KvcalcError, match="found 4, expected a multiple of the page_size"):
        cost(WHAT_IF, **given)
