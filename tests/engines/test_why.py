"""What a cost says in one line of why it differs from the least: each engine's reasons, in turn."""

from functools import cache
from typing import Any

import kvcalc
from tests.each import each

load = cache(kvcalc.load)

CONFIGS = "tests/oracles/configs"
EXAONE, LLAMA, DEEPSEEK, SCOUT = (
    "k-exaone-236b-a23b",
    "llama-3.1-8b",
    "deepseek-v3",
    "llama-4-scout",
)
GEMMA, GPT_OSS, MISTRAL, QWEN = "gemma-3-27b", "gpt-oss-20b", "mistral-7b-v0.1", "qwen3-8b"
HYBRID = f"{CONFIGS}/Qwen--Qwen3.5-27B.json"
V4 = f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json"

IN_FLIGHT = "16,384 tokens in flight per sliding layer, not 128"
ROOM = "pages of 256 tokens, with room for one more than the context"

WHY: list[tuple[str, str, dict[str, Any], str]] = [
    ("ideal", EXAONE, {}, ""),
    ("vllm", LLAMA, {}, "blocks of 16 tokens"),
    ("vllm", LLAMA, {"tensor_parallel_size": 8}, "blocks of 16 tokens"),
    (
        "vllm",
        LLAMA,
        {"tensor_parallel_size": 16},
        "blocks of 16 tokens; 16 ranks hold copies of 8 KV heads",
    ),
    ("vllm", EXAONE, {}, IN_FLIGHT),
    ("vllm", EXAONE, {"async_scheduling": False}, IN_FLIGHT.replace("16,384", "8,192")),
    (
        "vllm",
        EXAONE,
        {"enable_chunked_prefill": False},
        "the whole context in flight per sliding layer, not 128",
    ),
    (
        "vllm",
        EXAONE,
        {"disable_hybrid_kv_cache_manager": True},
        "every layer kept whole, without the hybrid manager",
    ),
    (
        "vllm",
        EXAONE,
        {"pipeline_parallel_size": 2},
        "24,576 tokens in flight per sliding layer, not 128; groups are made over the whole model, "
        "so a stage pays for its widest share of one",
    ),
    ("vllm", SCOUT, {}, "16,384 tokens in flight per chunked layer, beside its chunk"),
    ("vllm", HYBRID, {}, "blocks of 784 tokens, so that one holds a state"),
    ("vllm", DEEPSEEK, {}, "blocks of 64 tokens"),
    (
        "vllm",
        DEEPSEEK,
        {"tensor_parallel_size": 2},
        "blocks of 64 tokens; latent rows are the same on every rank",
    ),
    (
        "vllm",
        DEEPSEEK,
        {"tensor_parallel_size": 2, "decode_context_parallel_size": 2},
        "blocks of 64 tokens",
    ),
    ("llama.cpp", LLAMA, {}, "llama.cpp rounds a context up to cells of 256"),
    (
        "llama.cpp",
        MISTRAL,
        {},
        "llama.cpp rounds a context up to cells of 256 and lets no layer slide",
    ),
    (
        "llama.cpp",
        EXAONE,
        {},
        "a window of 128 becomes 768 cells: the micro-batch of 512 on top, cells of 256",
    ),
    (
        "llama.cpp",
        EXAONE,
        {"ubatch_size": 4096},  # a batch of 2,048 has no longer micro-batches
        "a window of 128 becomes 2,304 cells: the micro-batch of 2,048 on top, cells of 256",
    ),
    (
        "llama.cpp",
        EXAONE,
        {"kv_unified": True},
        "all sequences' windows of 128 and one micro-batch of 512 share a buffer in cells of 256",
    ),
    ("llama.cpp", EXAONE, {"swa_full": True}, "swa_full: sliding layers keep all cells"),
    ("mlx", LLAMA, {}, "room for a multiple of 256 tokens"),
    ("mlx", LLAMA, {"kv_bits": 4}, "packed only from 5,000 tokens on"),
    (
        "mlx",
        LLAMA,
        {"max_kv_size": 1000},
        "its class makes its own caches, which max_kv_size leaves as they are",
    ),
    (
        "mlx",
        QWEN,
        {"max_kv_size": 1000},
        "max_kv_size keeps 1,000 tokens, and while the prompt is read up to 2,047 on top "
        "(the peak)",
    ),
    (
        "mlx",
        EXAONE,
        {"prefill_step_size": 512},
        "while the prompt is read, up to 511 tokens on top of the window (the peak)",
    ),
    (
        "mlx",
        SCOUT,
        {},
        "while the prompt is read, up to 2,048 tokens on top of the chunk (the peak)",
    ),
    ("mlx", MISTRAL, {}, "its class ignores the window: every layer keeps all tokens"),
    ("lmdeploy", LLAMA, {}, "blocks of 64 tokens, each tensor rounded up to 256 bytes"),
    ("lmdeploy", MISTRAL, {}, "blocks of 64 tokens, each tensor rounded up to 256 bytes"),
    ("lmdeploy", GPT_OSS, {}, "every layer is paged in full: the window saves nothing"),
    (
        "lmdeploy",
        V4,
        {},
        "packed rows in blocks; each sequence's window and float32 scratch in a state",
    ),
    ("exllamav3", LLAMA, {}, ROOM),
    ("exllamav3", GEMMA, {}, "every layer is paged in full: the window saves nothing"),
    (
        "exllamav3",
        GPT_OSS,
        {},
        f"a window of 128 becomes a ring of 768 tokens in each slot; {ROOM}",
    ),
    ("exllamav3", HYBRID, {}, f"each slot keeps its states twice, to take drafts back; {ROOM}"),
]


@each(("engine", "model", "settings", "why"), WHY)
def test_a_cost_says_what_makes_it(
    engine: str, model: str, settings: dict[str, Any], why: str
) -> None:
    assert kvcalc.cost(load(model), engine, **settings).why == why
