"""What the start-up check and the log say of a pool, worked out one by one."""

from typing import Any

import kvcalc
from kvcalc.model import Model
from tests.each import each
from tests.shapes import full, model

CONFIGS = "tests/oracles/configs"
KEXAONE = kvcalc.load("k-exaone-236b-a23b")
QWEN = kvcalc.load(f"{CONFIGS}/Qwen--Qwen3.5-27B.json")
UNEVEN = {"pipeline_parallel_size": 2, "pp_layer_partition": "20,28"}


def test_memory_of_exactly_one_request_is_one_block_short() -> None:
    short = kvcalc.pool(KEXAONE, "vllm", memory=15_322_054_656, context=262_144)
    assert not short.figures["fits"]
    assert short.figures["estimated_max_model_len"] == 262_128
    assert (short.max_sequences, short.figures["num_gpu_blocks"]) == (0, 19_483)
    enough = kvcalc.pool(KEXAONE, "vllm", memory=15_322_054_656 + 786_432, context=262_144)
    assert enough.figures["fits"]
    assert enough.max_sequences == 1


@each(
    ("model", "memory", "settings", "needed", "available"),
    [
        # The block held back is seen where blocks are large.
        (QWEN, 8 * 2**30, {}, 16.32, 7.95),
        # The check is stage by stage, and ends at the first that is short.
        (KEXAONE, 4 * 2**30, {"pipeline_parallel_size": 2}, 7.7, 4.0),
        (KEXAONE, (4 * 2**30, 2**30), UNEVEN, 6.41, 4.0),
        (KEXAONE, (9 * 2**30, 2**30), UNEVEN, 8.98, 1.0),
        # Where none is, the figures are of the stage with the largest blocks.
        (KEXAONE, (16 * 2**30, 20 * 2**30), UNEVEN, 8.98, 20.0),
    ],
)
def test_what_the_start_up_check_prints(
    model: Model, memory: Any, settings: dict[str, Any], needed: float, available: float
) -> None:
    figures = kvcalc.pool(model, "vllm", memory=memory, context=262_144, **settings).figures
    assert (figures["needed_gib"], figures["available_gib"]) == (needed, available)


@each(
    ("memory", "length"),
    [
        # Beside the null block: no memory at all, too little for a token, and more than enough.
        (786_432, None),
        (786_433, 0),
        (2**40, 4096),
    ],
)
def test_the_longest_request_that_the_check_lets_in(memory: int, length: int | None) -> None:
    """v1/core/kv_cache_planning.py: without memory it says so and estimates nothing."""
    figures = kvcalc.pool(KEXAONE, "vllm", memory=memory, context=4096).figures
    assert figures["estimated_max_model_len"] == length
    assert figures["fits"] == (length == 4096)


@each("release", ["0.11.2", "0.18.0", "0.25.1"])
def test_the_null_block_alone_starts_where_the_check_counts_it_and_holds_nothing(
    release: str,
) -> None:
    """A block is 16 tokens of 4,096 bytes; of two blocks one is left for the request."""
    for blocks, finishes in ((1, False), (2, True)):
        memory = blocks * 16 * 4096
        pool = kvcalc.pool(model(full()), "vllm", memory=memory, context=16, release=release)
        assert (pool.figures["fits"], pool.max_sequences) == (True, finishes)
        assert ("never finishes: it needs 1 blocks of 0, and" in pool.note) is not finishes


@each(
    "memory",
    [(8 * 2**30, 10 * 2**30), (9 * 2**30, 8 * 2**30, 10 * 2**30, 10 * 2**30), (8 * 2**30,)],
)
def test_the_pool_follows_the_smallest_rank(memory: tuple[int, ...]) -> None:
    settings: dict[str, Any] = {"pipeline_parallel_size": 2, "tensor_parallel_size": 2}
    pool = kvcalc.pool(KEXAONE, "vllm", memory=memory, context=8192, **settings)
    assert pool.figures["num_gpu_blocks"] == 8 * 2**30 // (786_432 // 4)


@each(
    ("context", "batch", "tokens"),
    [
        (262_144, 8192, 4_408_938),
        (1000, 8192, 1_285_019),
        (262_144, 2048, 5_000_252),
        (262_144, 16_384, 3_808_439),
    ],
)
def test_the_label_of_the_cache_size_moves_with_the_request(
    context: int, batch: int, tokens: int
) -> None:
    pool = kvcalc.pool(
        KEXAONE,
        "vllm",
        memory=60 * 2**30,
        context=context,
        tensor_parallel_size=4,
        max_num_batched_tokens=batch,
    )
    assert pool.capacity_tokens == tokens
