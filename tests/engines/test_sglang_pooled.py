"""SGLang 0.5.23's indexers whose keys stand for several tokens, and what stands beside their slots.

The figures are the source's own arithmetic: mem_cache/qsa_kv_pool.py, ple_state_pool.py and
memory_pool.py (DSATokenToKVPool), model_executor/pool_configurator.py.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from kvcalc.readers.huggingface import reading_of
from tests.each import each

CHECKPOINTS = Path("tests/oracles/configs/checkpoints")

QWEN_TOKEN = 12 * (2 * 2 * 256 * 2 + 128 * 2 // 4)
"""A key and a value of 2 heads, and a quarter of an indexer's key, in bfloat16, of 12 layers."""

QWEN_SLOT = 36 * ((2 * 16 * 128 + 48 * 128) * 3 * 2 + 48 * 128 * 128 * 4)
"""The convolution of a delta net and its state in float32, of 36 layers."""

QWEN_SIDE = 4 * 2_560 * 9 * 2 + 2 * 8
"""What the embedding's convolution reaches back to, and the 2 tokens before, beside each slot."""

QWEN_REQUEST = 12 * 4 * 128 * 2 + 4 * 3 * 8
"""A pool's raw keys of 12 layers, and their 3 positions once."""

GLM_TOKEN = 11 * (512 * 2 + 132 // 4)
GLM_SLOT = 34 * (3 * 64 * 128 * 3 * 2 + 64 * 128 * 128 * 4)

SLOTS = 5
"""Slots of state that a request counts for, with overlap (mamba_radix_cache_strategy auto)."""


def of(file: str, **changed: Any) -> Model:
    table = json.loads((CHECKPOINTS / f"{file}.json").read_text())
    return reading_of(table | {"text_config": table["text_config"] | changed}, "m", "f").model


QWEN, GLM = of("Qwen3.8-Flash-Next"), of("GLM-5.3-Flash")


@each(
    ("model", "given", "page", "token", "beside"),
    [
        (QWEN, {}, 64, QWEN_TOKEN, SLOTS * (QWEN_SLOT + QWEN_SIDE) + QWEN_REQUEST),
        (QWEN, {"gpu": "b200"}, 64, QWEN_TOKEN, SLOTS * (QWEN_SLOT + QWEN_SIDE) + QWEN_REQUEST),
        (
            QWEN,
            {"kv_cache_dtype": "fp8_e4m3"},
            64,
            QWEN_TOKEN - 12 * 2 * 2 * 256,
            SLOTS * (QWEN_SLOT + QWEN_SIDE) + QWEN_REQUEST,
        ),
        (
            QWEN,
            {"disable_radix_cache": True},
            64,
            QWEN_TOKEN,
            QWEN_SLOT + QWEN_SIDE + QWEN_REQUEST,
        ),
        (GLM, {}, 256, GLM_TOKEN, SLOTS * GLM_SLOT),
        (GLM, {"gpu": "b200"}, 256, GLM_TOKEN - 11 * 512, SLOTS * GLM_SLOT),
        (
            GLM,
            {"gpu": "h200", "kv_cache_dtype": "fp8_e4m3"},
            256,
            GLM_TOKEN - 11 * (512 - 16),
            SLOTS * GLM_SLOT,
        ),
        (
            of("GLM-5.3-Flash", index_kpool_compress=True),
            {},
            256,
            GLM_TOKEN,
            SLOTS * GLM_SLOT + 11 * 2 * 4 * 128 * 2,
        ),
    ],
)
def test_a_request_takes_pages_slots_and_what_stands_beside(
    model: Model, given: dict[str, Any], page: int, token: int, beside: int
) -> None:
    cost = kvcalc.cost(model, "sglang", **given)
    for tokens in (1, page, 131_072):
        assert cost(tokens) == -(-tokens // page) * page * token + beside


def test_ranks_share_states_and_not_the_embedding() -> None:
    cost = kvcalc.cost(QWEN, "sglang", tensor_parallel_size=2)
    token = QWEN_TOKEN // 2 + 12 * 32  # a KV head each, and the indexer's keys whole
    states = SLOTS * (QWEN_SLOT // 2 + QWEN_SIDE) + QWEN_REQUEST
    assert cost.per_gpu(6_400) == 6_400 * token + states


def test_what_stands_beside_is_not_counted_as_a_memory_is_cut() -> None:
    memory = 50 * 2**30
    pool = kvcalc.pool(QWEN, "sglang", memory=memory, context=32_768, max_mamba_cache_size=100)
    left = memory - 101 * QWEN_SLOT
    assert pool.figures["max_total_num_tokens"] == left // QWEN_TOKEN // 64 * 64
    requests = pool.figures["max_running_requests"]
    assert requests == 100 // SLOTS
    assert pool.figures["ple.conv_state"] == 101 * (QWEN_SIDE - 16)
    assert pool.figures["qsa.key_state"] == (requests + 1) * 12 * 1_024


def test_keys_and_gates_wait_for_each_request_and_for_two_more() -> None:
    """memory_pool.py, _init_kpool_compress_tail_buffers; of one layer, in bfloat16."""
    gated = of("GLM-5.3-Flash", index_kpool_compress=True)
    pool = kvcalc.pool(gated, "sglang", memory=50 * 2**30, context=8_192, max_mamba_cache_size=50)
    assert pool.figures["max_running_requests"] == 10
    assert pool.figures["compress_tail"] == (10 + 2) * 11 * 2 * 4 * 128 * 2


def test_a_report_of_two_running_requests() -> None:
    """sgl-project/sglang#36889: capped to 2 by the mamba state cache (10, 5 slots)."""
    pool = kvcalc.pool(GLM, "sglang", memory=50 * 2**30, context=8_192, max_mamba_cache_size=10)
    assert pool.figures["max_running_requests"] == 2


@pytest.mark.parametrize(
    ("model", "given", "sentence"),
    [
        (QWEN, {"speculative_num_draft_tokens": 4}, "found 4, but what sglang keeps for drafts"),
        (of("GLM-5.3-Flash", index_kpool=16), {}, "index_kpool: found 16, expected a divisor"),
    ],
)
def test_what_is_not_modelled_is_named(model: Model, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnsupportedError, match=sentence):
        kvcalc.cost(model, "sglang", **given)
