"""SGLang's rules, worked by hand; its laws; what it refuses."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.sglang.formats import FP4_BACKENDS
from kvcalc.engines.sglang.window_pool import WindowPool
from kvcalc.errors import KvcalcError
from kvcalc.layers.composed import Combined, NoCache, SharedCache
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import (
    CarriedRow,
    Convolved,
    KimiDeltaAttention,
    LightningAttention,
    Mamba,
    Mamba2,
    ShortConvolution,
)
from kvcalc.model import Model
from tests.each import each
from tests.engines.sglang_life import life
from tests.shapes import DEEPSEEK_ROW, HEADS, full, latent, model, sliding

GIB = 2**30


def typed(model_type: str | None, *layers: Layer, **fields: Any) -> Model:
    return Model(name="a model", layers=layers, model_type=model_type, **fields)


def cost(model: Model, **settings: Any) -> kvcalc.Cost:
    return kvcalc.cost(model, engine="sglang", **settings)


def pool(model: Model, memory: Any = 50 * GIB, **settings: Any) -> kvcalc.Pool:
    return kvcalc.pool(model, engine="sglang", memory=memory, **settings)


EXAONE = kvcalc.load("k-exaone-236b-a23b")
WHAT_IF = typed(None, *EXAONE.layers, max_context=262_144)
"""K-EXAONE's shape without its model type, which SGLang gives a window pool."""

SPARSE = LatentAttention(**DEEPSEEK_ROW, sparse=True, index_head_dim=128)
DEEPSEEK = typed("deepseek_v3", latent(**DEEPSEEK_ROW))


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


def test_a_prompt_read_whole_is_held_whole() -> None:
    assert cost(WHAT_IF, chunked_prefill_size=-1)(50_000) == 48 * 4096 * 50_000


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


STATES = [
    # (layer, columns and channels of the convolution in bfloat16, state in float32)
    (Mamba2(kernel=4, heads=8, head_dim=4, groups=2, state=16), 3 * (32 + 64), 8 * 4 * 16),
    (KimiDeltaAttention(kernel=4, heads=8, head_dim=4), 3 * 96, 8 * 16),
    (ShortConvolution(kernel=3, width=32), 2 * 32, 0),
    (LightningAttention(heads=8, head_dim=4), 0, 8 * 16),
    (Mamba(kernel=4, inner=32, state=16), 3 * 32, 32 * 16),
]


@pytest.mark.parametrize(("layer", "columns", "state"), STATES, ids=lambda one: type(one).__name__)
def test_a_slot_of_state(layer: Layer, columns: int, state: int) -> None:
    slot = 2 * columns + 4 * state
    model = typed(None, layer, full())
    assert cost(model, disable_radix_cache=True)(10) == slot + 10 * 4096
    # Three slots, and two that follow a state while the next step is scheduled.
    assert cost(model)(10) == 5 * slot + 10 * 4096
    assert cost(model, disable_overlap_schedule=True, page_size=2)(10) == 4 * slot + 10 * 4096
    halves = cost(model, disable_radix_cache=True, tensor_parallel_size=2)
    assert halves.per_gpu(10) == slot // 2 + 10 * 2048


@pytest.mark.parametrize("topk", [None, 1, 2, 3])
@pytest.mark.parametrize(("layer", "columns", "state"), STATES, ids=lambda one: type(one).__name__)
def test_a_request_that_drafts_keeps_the_states_of_its_drafts_beside_its_slots(
    layer: Layer, columns: int, state: int, topk: int | None
) -> None:
    """srt/mem_cache/memory_pool.py: each drafted state whole, and columns of a chain overlap.

    Those of several branches, and Kimi's, are stored apart.
    """
    channels = layer.channels if isinstance(layer, Convolved) else 0
    apart = (topk or 1) > 1 or isinstance(layer, KimiDeltaAttention)
    between = 3 * columns if apart or not columns else columns + 2 * channels
    drafted = 2 * between + 3 * 4 * state
    asked = {"speculative_num_draft_tokens": 3, "speculative_eagle_topk": topk}
    held = cost(typed(None, layer, full()), **asked)
    assert held(10, sequences=2) == 2 * (5 * (2 * columns + 4 * state) + drafted + 10 * 4096)


def test_a_mamba_group_is_copied_where_ranks_do_not_divide_groups() -> None:
    layer = Mamba2(kernel=4, heads=8, head_dim=4, groups=1, state=16)
    held = cost(typed("nemotron_h", layer), tensor_parallel_size=4, disable_radix_cache=True)
    assert held.per_gpu(1) == 2 * 3 * (32 + 2 * 4 * 16) // 4 + 4 * 8 * 4 * 16 // 4


def test_attention_beside_a_state_is_both() -> None:
    layer = Combined(parts=(full(), Mamba2(kernel=4, heads=8, head_dim=4, groups=2, state=16)))
    held = cost(typed("falcon_h1", layer), disable_radix_cache=True)
    assert held(10) == 10 * 4096 + 2 * 3 * 96 + 4 * 512


def test_a_model_whose_layers_all_slide_has_no_full_pool() -> None:
    ocr = typed("unlimited_ocr", sliding(window=128), max_context=8192)
    cut = pool(ocr, memory=GIB)
    assert (cut.figures["full_tokens"], cut.figures["swa_tokens"]) == (0, GIB // 4096)
    assert cut.bytes == (GIB // 4096 + 1) * 4096
    # This one keeps its prompts.
    assert cut.max_sequences == GIB // 4096 // 8192
    assert pool(ocr, memory=GIB, max_total_tokens=5000).capacity_tokens == 5000


def test_a_model_of_states_alone_has_a_token_for_each_of_its_context() -> None:
    cut = pool(typed("mamba2", STATES[0][0], max_context=4096), memory=2**22)
    assert cut.capacity_tokens == 4096
    assert cut.max_sequences == cut.figures["mamba_slots"] // 3


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


@each(
    ("settings", "columns"),
    [
        ({}, 4),
        # 4 columns to spare, and one for each drafted token.
        ({"speculative_num_draft_tokens": 8}, 12),
        # Whole pages of a token a branch, for four branches, twice.
        (
            {
                "speculative_num_draft_tokens": 8,
                "speculative_num_steps": 5,
                "speculative_eagle_topk": 4,
                "page_size": 16,
            },
            2 * 4 * 2 * 16 + 15,
        ),
        # A branch of one step fills a page more where it starts at the end of one.
        *(
            (
                {
                    "speculative_num_draft_tokens": 8,
                    "speculative_num_steps": steps,
                    "speculative_eagle_topk": 4,
                    "page_size": 16,
                },
                2 * 4 * pages * 16 + 15,
            )
            for steps, pages in ((1, 1), (2, 2), (17, 2), (18, 3))
        ),
        # One step unless more are asked for.
        ({"speculative_num_draft_tokens": 1, "page_size": 16}, 2 * 1 + 15),
    ],
)
def test_a_draft_widens_the_request_table(settings: dict[str, Any], columns: int) -> None:
    figures = pool(EXAONE, max_running_requests=10, **settings).figures
    assert figures["req_to_token"] == 11 * (262_144 + columns) * 4


@each(
    ("settings", "ahead"),
    [
        ({}, 2 * 6),
        ({"disable_overlap_schedule": True}, 6),
        ({"disable_overlap_schedule": True, "page_size": 16}, 16),
        ({"disable_overlap_schedule": True, "page_size": 16, "speculative_eagle_topk": 2}, 64),
        # One step unless more are asked for: a branch of it and a page, in whole pages, for two.
        (
            {
                "disable_overlap_schedule": True,
                "page_size": 16,
                "speculative_num_steps": None,
                "speculative_eagle_topk": 2,
            },
            2 * 32,
        ),
        *(
            (
                {
                    "disable_overlap_schedule": True,
                    "page_size": 16,
                    "speculative_num_steps": steps,
                },
                ahead,
            )
            for steps, ahead in ((16, 16), (17, 32), (33, 48))
        ),
    ],
)
def test_a_draft_widens_the_window_that_is_set_aside(settings: dict[str, Any], ahead: int) -> None:
    draft = {"speculative_num_draft_tokens": 4, "speculative_num_steps": 6}
    given = {"disable_radix_cache": True, "max_running_requests": 10, **draft, **settings}
    page = given.get("page_size", 1)
    chunks = 4096 if "disable_overlap_schedule" in settings else 2 * 4096
    cap = (128 + 128 * 4 + page + ahead) * 10 + chunks + page
    assert pool(WHAT_IF, **given).figures["swa_tokens"] == -(-cap // page) * page


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


ONE_POOL = [
    EXAONE,
    kvcalc.load("deepseek-v3"),
    typed("deepseek_v32", SPARSE, max_context=4096),
]
MODELS = st.sampled_from(
    [
        *ONE_POOL,
        WHAT_IF,
        kvcalc.load("gpt-oss-20b"),
        kvcalc.load("llama-4-scout"),
        typed("qwen3_next", STATES[0][0], full(), max_context=4096),
    ]
)
CUT = {
    "memory": st.integers(10 * GIB, 400 * GIB),
    "context": st.integers(1, 300_000),
    "groups": st.sampled_from([1, 2]),
    "radix": st.booleans(),
}


def in_groups(groups: int, radix: bool) -> dict[str, Any]:
    return {
        "tensor_parallel_size": 4 * groups,
        "attn_dp_size": groups,
        "disable_radix_cache": not radix,
    }


@given(model=st.sampled_from(ONE_POOL), **CUT)
def test_what_is_said_to_run_fits_and_one_more_does_not(
    model: Model, memory: int, context: int, groups: int, radix: bool
) -> None:
    settings = in_groups(groups, radix)
    cut, held = pool(model, memory, context=context, **settings), cost(model, **settings)
    page = cut.figures["page_size"]
    usable = cut.bytes - held.per_gpu(page)
    assert usable <= memory < cut.bytes + held.per_gpu(page)
    if cut.max_sequences:
        assert held.per_gpu(context, sequences=cut.max_sequences) <= usable
    if cut.max_sequences < groups * cut.figures["max_running_requests"]:
        assert held.per_gpu(context, sequences=cut.max_sequences + 1) > usable


@given(model=MODELS, **CUT)
def test_what_is_said_to_run_fits_in_every_pool(
    model: Model, memory: int, context: int, groups: int, radix: bool
) -> None:
    settings = in_groups(groups, radix)
    cut, held = pool(model, memory, context=context, **settings), cost(model, **settings)
    assert cut.max_sequences <= groups * cut.figures["max_running_requests"]
    if cut.max_sequences:
        assert held.per_gpu(context, sequences=cut.max_sequences) <= cut.bytes


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


@given(model=MODELS, context=st.integers(1, 300_000), sequences=st.integers(1, 64))
def test_more_context_and_more_sequences_never_cost_less(
    model: Model, context: int, sequences: int
) -> None:
    for settings in ({}, {"tensor_parallel_size": 4, "attn_dp_size": 2, "page_size": 16}):
        held = cost(model, **settings)
        here = held(context, sequences=sequences)
        assert here <= held(context + 1, sequences=sequences)
        assert here <= held(context, sequences=sequences + 1)
        assert here == sum(group.formula(context, sequences=sequences) for group in held.groups)
        assert here <= held.per_gpu(context, sequences=sequences) * (4 if settings else 1)
        assert kvcalc.cost(model)(context, sequences=sequences) <= here


REFUSED = [
    (EXAONE, {"attention_backend": "flashinfer"}, "attention_backend: found 'flashinfer'"),
    (EXAONE, {"attention_backend": "fast"}, "SGLang's backend 'fast' is unknown"),
    (EXAONE, {"kv_cache_dtype": "int8"}, "SGLang's element type 'int8' is unknown"),
    (EXAONE, {"kv_cache_dtype": "nvfp4", "gpu": "h100"}, "nvfp4 needs a Blackwell GPU, not h100"),
    (EXAONE, {"kv_cache_dtype": "mxfp8"}, "mxfp8 needs attention_backend fa4"),
    (EXAONE, {"kv_cache_dtype": "fp4_mx_block16", "attention_backend": "fa3"}, "expected one of"),
    (EXAONE, {"gpu": "h1000"}, "GPU 'h1000' is unknown"),
    (EXAONE, {"page_size": 48, "chunked_prefill_size": 100}, "expected a multiple of"),
    (EXAONE, {"page_size": 64, "chunked_prefill_size": 1}, "found 1, expected a multiple of"),
    (EXAONE, {"page_size": 0}, "page_size"),
    (EXAONE, {"swa_full_tokens_ratio": 1.5}, "swa_full_tokens_ratio"),
    (EXAONE, {"swa_full_tokens_ratio": True}, "swa_full_tokens_ratio"),
    (EXAONE, {"disable_radix_cache": 1}, "disable_radix_cache"),
    (EXAONE, {"tensor_parallel_size": 3}, "tensor_parallel_size: found 3"),
    (EXAONE, {"tensor_parallel_size": 8, "attn_dp_size": 3}, "attn_dp_size: found 3"),
    (EXAONE, {"block_size": 16}, "sglang has no setting 'block_size'"),
    (typed(None, CarriedRow(elements=2)), {}, "sglang does not support carried_row layers"),
    (typed(None, full(), latent(**DEEPSEEK_ROW)), {}, "it mixes kinds of attention"),
    (typed(None, full(query_heads=12, kv_heads=4)), {"tensor_parallel_size": 8}, "12 query heads"),
    (
        typed(None, full(head_dim=24)),
        {"kv_cache_dtype": "fp4_mx_block16"},
        "head_dim: found 24, expected a multiple of 16",
    ),
    (
        typed(None, full(v_head_dim=64)),
        {"kv_cache_dtype": "fp4_mx_block16"},
        "keys and values of one size",
    ),
    (typed(None, latent(**DEEPSEEK_ROW)), {"kv_cache_dtype": "nvfp4"}, "found latent rows"),
    (typed(None, latent(**DEEPSEEK_ROW)), {"kv_cache_dtype": "mxfp8"}, "found latent rows"),
    (
        typed(None, latent(**DEEPSEEK_ROW, window=8), latent(**DEEPSEEK_ROW)),
        {"kv_cache_dtype": "fp4_mx_block16"},
        "not known for sliding latent rows",
    ),
    (
        typed(None, latent(kv_lora_rank=100, qk_rope_head_dim=64, sparse=True)),
        {"kv_cache_dtype": "fp8_e4m3"},
        "kv_lora_rank: found 100, expected a multiple of 128",
    ),
    (
        typed(None, latent(**DEEPSEEK_ROW, sparse=True, index_head_dim=64)),
        {},
        "index_head_dim: found 64, expected 128",
    ),
    (typed(None, full(), dtype="int8"), {}, "runs no model in int8"),
    (typed("gpt_oss", sliding(window=8), sliding(window=9)), {}, r"found \[8, 9\]"),
    (typed("gpt_oss", sliding(window=8), SharedCache()), {}, "shared_cache layers"),
    (typed("openelm", full(), full(kv_heads=4, head_dim=128)), {}, "in one shape"),
    (typed("jamba", Mamba(kernel=4, inner=8, state=2)), {}, "the model type 'jamba'"),
    (
        typed("lfm2", ShortConvolution(kernel=3, width=8), full()),
        {"mamba_radix_cache_strategy": "extra_buffer"},
        "expected no_buffer for lfm2",
    ),
    (
        typed("lfm2", ShortConvolution(kernel=3, width=8), full()),
        {"page_size": 16},
        "no_buffer needs page_size 1",
    ),
    (
        typed("qwen3_next", Mamba(kernel=4, inner=8, state=2)),
        {"mamba_radix_cache_strategy": "no_buffer"},
        "no_buffer needs disable_overlap_schedule",
    ),
    (
        typed("qwen3_next", Mamba(kernel=4, inner=8, state=2)),
        {"mamba_radix_cache_strategy": "extra_buffer_lazy", "disable_overlap_schedule": True},
        "extra_buffer_lazy excludes",
    ),
    (
        typed("qwen3_next", Mamba(kernel=4, inner=8, state=2)),
        {"page_size": 48, "chunked_prefill_size": 4800},
        "expected a divisor of the 256",
    ),
    (
        typed("falcon_mamba", Mamba(kernel=4, inner=8, state=2)),
        {"mamba_radix_cache_strategy": "extra_buffer"},
        "keeps no states of a model",
    ),
    (EXAONE, {"mamba_radix_cache_strategy": "extra_buffer"}, "keeps no states of K-EXAONE"),
    (typed("deepseek_v32", SPARSE), {"kv_cache_dtype": "fp8_e5m2"}, "for sparse attention"),
    (typed("deepseek_v32", SPARSE), {"gpu": "mi300x"}, "rules that are not modelled"),
    (
        typed("deepseek_v4", CompressedAttention(head_dim=512, window=128)),
        {"gpu": "b200"},
        "layout that is not modelled",
    ),
    (
        typed("deepseek_v4", CompressedAttention(head_dim=256, window=128)),
        {},
        "head_dim: found 256",
    ),
    (
        typed("deepseek_v4", CompressedAttention(head_dim=512, window=128, ratio=8)),
        {},
        "ratio: found 8, expected 0, 4 or 128",
    ),
    (
        typed("deepseek_v4", CompressedAttention(head_dim=512, window=128)),
        {"kv_cache_dtype": "bf16"},
        "expected fp8_e4m3 for a model",
    ),
    (
        typed("qwen3_next", STATES[0][0]),
        {"tensor_parallel_size": 3},
        "found 3 ranks for a state",
    ),
    (
        typed("step3p7", sliding(window=8), full(), num_nextn_predict_layers=3),
        {"draft_layers": 3},
        "draft_layers: drafts of a model",
    ),
]


@each(("model", "settings", "sentence"), REFUSED, ids=lambda one: str(one)[:30])
def test_a_refusal_is_one_sentence(model: Model, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=sentence) as refused:
        cost(model, **settings)
    assert "\n" not in str(refused.value)


@each(
    ("model", "memory", "settings", "sentence"),
    [
        (EXAONE, 1000, {}, "too few for one page of 1 token"),
        (EXAONE, 2**61, {}, "expected at most"),
        (WHAT_IF, 50 * GIB, {"swa_full_tokens_ratio": 0.0001}, "one request needs more than 129"),
        (typed(None, STATES[0][0], full()), 9_000, {"context": 8}, "slot of recurrent state"),
        (
            typed(None, STATES[0][0], full()),
            20_000,
            {"context": 8},
            "fewer than the 5 of one request",
        ),
        (
            typed(None, STATES[0][0], full()),
            20_000,
            {"context": 8, "max_mamba_cache_size": 100},
            "leave nothing for the pool",
        ),
    ],
)
def test_a_memory_that_sglang_cannot_start_in_is_refused(
    model: Model, memory: int, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=sentence):
        pool(model, memory, **settings)


def test_a_window_pool_that_holds_one_request_and_a_page_is_too_small() -> None:
    assert pool(WHAT_IF, max_total_tokens=163).figures["swa_tokens"] == 130
    with pytest.raises(kvcalc.KvcalcError, match="the window pool gets 129 tokens"):
        pool(WHAT_IF, max_total_tokens=162)


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
    ("slots", "groups", "requests"),
    [(5, 1, 1), (9, 1, 1), (10, 1, 2), (19, 2, 1), (20, 2, 2), (40, 4, 2)],
)
def test_a_request_runs_where_it_has_all_its_slots(slots: int, groups: int, requests: int) -> None:
    """Five slots a request; the groups of the attention share the slots that are asked for."""
    model = typed(None, STATES[0][0], full())
    asked = {"tensor_parallel_size": groups, "attn_dp_size": groups, "max_mamba_cache_size": slots}
    figures = pool(model, GIB, context=8, **asked).figures
    assert figures["max_running_requests"] == requests


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


def test_what_a_formula_is_built_for_cannot_vary_in_it() -> None:
    with pytest.raises(kvcalc.KvcalcError, match="page_size: SGLang's formula is built for one"):
        cost(EXAONE)(1000, page_size=16)


@each(
    ("latent_rows", "backend"), product((False, True), [*FP4_BACKENDS[False], *FP4_BACKENDS[True]])
)
def test_packed_fp4_is_read_by_the_backends_of_its_rows(latent_rows: bool, backend: str) -> None:
    """16 elements in 8 bytes beside a scale: 64 tokens of 8 heads' K and V, or of a row of 576."""
    of = model(latent(**DEEPSEEK_ROW) if latent_rows else full())
    asked: dict[str, Any] = {"kv_cache_dtype": "fp4_mx_block16", "attention_backend": backend}
    if backend in FP4_BACKENDS[latent_rows]:
        size = 576 if latent_rows else 8 * 128 * 2
        assert kvcalc.cost(of, "sglang", **asked)(64) == 64 * size // 16 * 9
    else:
        with pytest.raises(KvcalcError, match="expected one of"):
            kvcalc.cost(of, "sglang", **asked)


@each(("page", "unit"), [(1, "token"), (2, "page"), (64, "page")])
def test_a_derivation_says_of_what_its_bytes_are(page: int, unit: str) -> None:
    steps = [step.name for group in cost(EXAONE, page_size=page).groups for step in group.steps]
    assert f"full.k_buffer, a {unit}" in steps
