"""What SGLang refuses, each in one sentence."""

from itertools import product
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.sglang.formats import FP4_BACKENDS
from kvcalc.errors import KvcalcError
from kvcalc.layers.composed import SharedCache
from kvcalc.layers.latent import CompressedAttention
from kvcalc.layers.recurrent import (
    CarriedRow,
    Mamba,
    ShortConvolution,
)
from kvcalc.model import Model
from tests.each import each
from tests.engines.sglang_models import EXAONE, GIB, SPARSE, STATES, WHAT_IF, cost, pool, typed
from tests.shapes import DEEPSEEK_ROW, full, latent, model, sliding

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
    (kvcalc.load("deepseek-v4-flash"), {"tensor_parallel_size": 128}, "its 64 query heads"),
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
        typed("deepseek_v4", CompressedAttention(head_dim=512, window=128)),
        {"speculative_num_draft_tokens": 2},
        "found 2, but the rings that sglang keeps for drafts of a model are not modelled",
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
