"""LMDeploy's start-up lines, as its PyTorch engine of 0.16.0 to 0.18.0 writes them.

A block of Llama 3.1 8B: 32 layers of 64 tokens x 8 heads x 128 elements, keys and values of 2
bytes, 8 MiB. Sizes are rounded down to MiB, and --cache-max-entry-count takes a share of them.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import kvcalc
from kvcalc.answers.check import AGREES, CANNOT, DIFFERS
from kvcalc.engines.lmdeploy.settings import LmdeploySettings, cache_format
from kvcalc.engines.log import NO_MODEL
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.model import Model
from tests.each import each
from tests.engines.log_lines import checked, load, misprinted, published, requests

LLAMA = load("llama-3.1-8b")
HYBRID = load("tests/oracles/configs/Qwen--Qwen3.5-27B.json")
DEEPSEEK = load("tests/oracles/configs/deepseek-ai--DeepSeek-V4-Flash.json")

ARGUMENTS = (
    "lmdeploy - INFO - async_engine.py:133 - input backend=pytorch, "
    "backend_config=PytorchEngineConfig(dtype='auto', tp={tp}, dp={dp}, ep={ep}, session_len=None, "
    "max_batch_size=128, attn_tp_size=None, cache_max_entry_count=0.8, block_size=64, "
    "kernel_block_size=64, num_gpu_blocks=0, quant_policy={policy}, hf_overrides=None)"
)
MEMORY = (
    "minimal free gpu memory: 60004 mb",
    "estimated max runtime memory: 1500 mb",
)
CACHE = (
    "CacheConfig(max_batches=128, block_size={tokens}, num_cpu_blocks=0, num_gpu_blocks={blocks}, "
    "kernel_block_size={tokens}, window_size=-1, cache_max_entry_count=0.8, "
    "max_prefill_token_num=8192, cudagraph_capture_batch_sizes=[1, 2, 4], "
    "enable_prefix_caching=False, quant_policy={policy}, device_type='cuda')"
)
NONE, INT8 = "<QuantPolicy.NONE: 0>", "<QuantPolicy.INT8: 8>"
BLOCKS = 58_504 * 8 // 10 // 8


def cache(blocks: int, *, tokens: int = 64, policy: str = NONE) -> str:
    return CACHE.format(blocks=blocks, tokens=tokens, policy=policy)


def test_blocks_are_those_of_the_memory() -> None:
    line = cache(BLOCKS)
    rows = checked([*MEMORY, line], LLAMA)
    assert [(row.figure, row.printed, row.verdict) for row in rows] == [
        ("block_size (tokens)", 64, AGREES),
        ("num_gpu_blocks (blocks)", BLOCKS, AGREES),
    ]
    for changed in misprinted(line, "num_gpu_blocks=@,"):
        assert [row.verdict for row in checked([*MEMORY, changed], LLAMA)] == [AGREES, DIFFERS]


MIB = 2**20
SIZES = st.integers(1, 140 * 2**30)


@settings(max_examples=15, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    published,
    requests("lmdeploy", cache_block_seq_len=st.sampled_from([16, 64, 256])),
    SIZES,
    SIZES,
)
def test_a_pools_figures_agree_and_one_step_of_the_last_place_differs(
    model: Model, asked: dict[str, Any], free: int, runtime: int
) -> None:
    """What is free and what a run takes are bytes, each printed as whole MiB."""
    runtime %= free
    try:
        left = (free - runtime) * 8 // 10
        pool = kvcalc.pool(model, "lmdeploy", memory=left, context=4096, **asked)
        number = cache_format(model, LmdeploySettings(**asked)).number
    except KvcalcError:
        reject()
    figures = pool.figures
    memory = [line.replace("60004", "@").replace("1500", "@") for line in MEMORY]
    lines = [
        line.replace("@", str(size // MIB))
        for line, size in zip(memory, (free, runtime), strict=True)
    ]
    line = cache(figures["num_gpu_blocks"], tokens=figures["block_size"], policy=f"<P: {number}>")
    rows = checked([*lines, line], model, asked)
    assert [row.verdict for row in rows] == [AGREES, AGREES], rows
    for changed in misprinted(line, " block_size=@,"):
        assert [row.verdict for row in checked([*lines, changed], model, asked)] == [
            DIFFERS,
            AGREES,
        ]
    apart = free // MIB - runtime // MIB
    for changed, blocks in zip(
        misprinted(line, "num_gpu_blocks=@,"),
        (figures["num_gpu_blocks"] + 1, figures["num_gpu_blocks"] - 1),
        strict=True,
    ):
        # Other bytes, printed as the same MiB, may give so many blocks: then nothing tells them.
        low, high = ((apart + off) * MIB * 8 // 10 // figures["bytes_per_block"] for off in (-1, 1))
        verdict = AGREES if low <= blocks <= high else DIFFERS
        rows = checked([*lines, changed], model, asked)
        assert [row.verdict for row in rows] == [AGREES, verdict]


def test_without_what_lmdeploy_prints_at_debug_a_blocks_bytes_are_said() -> None:
    rows = checked([cache(BLOCKS)], LLAMA)
    assert [row.verdict for row in rows] == [AGREES, CANNOT]
    assert "a block takes 8,388,608 bytes" in rows[1].why
    assert [row.verdict for row in checked([cache(BLOCKS)])] == [CANNOT, CANNOT]


@each(("tp", "dp", "ep", "share"), [(1, 1, 1, 1), (2, 1, 1, 2), (8, 4, 1, 2), (1, 2, 2, 1)])
def test_the_arguments_give_the_ranks_and_the_policy(tp: int, dp: int, ep: int, share: int) -> None:
    """Experts have all ranks, where there are several.

    int8: half the bytes, and 2 scales of 2 bytes for each head and token: 4.125 MiB a block.
    """
    blocks = 58_504 * 1024 * 8 // 10 * share // (32 * 64 * 8 * (128 + 4) * 2 // 1024)
    arguments = ARGUMENTS.format(tp=tp, dp=dp, ep=ep, policy=INT8)
    rows = checked([arguments, *MEMORY, cache(blocks, policy=INT8)], LLAMA)
    assert [row.verdict for row in rows] == [AGREES, AGREES], rows
    rows = checked([arguments, *MEMORY, cache(BLOCKS, policy=INT8)], LLAMA)
    assert [row.verdict for row in rows] == [AGREES, DIFFERS]


def test_the_block_is_the_one_that_the_models_kernels_take() -> None:
    """DeepSeek V4's is 256 tokens, whatever is asked (configurations/deepseek_v4.py)."""
    for tokens, verdict in ((256, AGREES), (64, DIFFERS)):
        row, _ = checked([cache(1000, tokens=tokens)], DEEPSEEK)
        assert row.verdict == verdict


def test_a_share_that_is_no_number_is_refused() -> None:
    arguments = ARGUMENTS.format(tp=1, dp=1, ep=1, policy=NONE).replace("count=0.8", "count=1e99")
    with pytest.raises(RequestError, match="cache_max_entry_count: found '1e99'"):
        checked([arguments, *MEMORY, cache(BLOCKS)], LLAMA)


def test_pools_beside_states_are_not_held() -> None:
    rows = checked([*MEMORY, cache(1000)], HYBRID)
    assert [row.verdict for row in rows] == [CANNOT, CANNOT]
    assert "reserves states for max_batch_size" in rows[1].why


@each(("free", "verdict"), [("1520", AGREES), ("60004", DIFFERS), (None, CANNOT)])
def test_the_error_of_too_little_memory(free: str | None, verdict: str) -> None:
    """Two blocks and less: 20 MiB x 0.8 are 2 of them."""
    memory = [] if free is None else [MEMORY[0].replace("60004", free), MEMORY[1]]
    error = "RuntimeError: No enough gpu memory for kv cache."
    (row,) = checked([*memory, error], LLAMA)
    assert row.verdict == verdict
    assert ("the memory is missing: lmdeploy prints it" in row.why) == (free is None)
    (row,) = checked([*memory, error])
    assert (row.verdict, NO_MODEL in row.why) == (CANNOT, True)


@each("model", [None, LLAMA], ids=str)
def test_the_blocks_of_the_other_engine_are_named_and_not_counted(model: Model | None) -> None:
    """Lines of the backend "turbomind", as InternLM/lmdeploy#3825 has them."""
    lines = [
        "[TM][INFO] [BlockManager] block_size = 9.000 MB",
        "[TM][INFO] [BlockManager] max_block_count = 863",
        "[TM][INFO] [BlockManager] chunk_size = 863",
    ]
    rows = checked(lines, model)
    assert [(row.line, row.printed, row.verdict) for row in rows] == [
        (1, 9, CANNOT),
        (2, 863, CANNOT),
    ]
    assert {"turbomind" in row.why.lower() for row in rows} == {True}


OF_A_DEVICE = "lmdeploy - DEBUG - model_agent.py:62 - device<{}> free gpu memory: {} mb"


def test_the_memory_of_an_older_releases_device_is_read() -> None:
    """A start of 2024-12: 0.1 of 6,784 - 5,061 MiB are 21 blocks of 8 MiB."""
    memory = [OF_A_DEVICE.format(0, 6784), "estimated max runtime memory: 5061 mb"]
    for blocks, verdict in ((21, AGREES), (22, DIFFERS)):
        line = cache(blocks).replace("entry_count=0.8", "entry_count=0.1")
        _, row = checked([*memory, line], LLAMA)
        assert row.verdict == verdict, row


def test_of_several_devices_no_memory_is_taken() -> None:
    memory = [OF_A_DEVICE.format(n, 6784) for n in range(2)]
    _, row = checked([*memory, "estimated max runtime memory: 5061 mb", cache(21)], LLAMA)
    assert row.verdict == CANNOT
    assert row.why.startswith("the memory is missing")


def test_the_context_that_turbomind_truncates_is_not_held() -> None:
    """InternLM/lmdeploy#4366."""
    (row,) = checked(
        ["[TM][WARNING] `session_len` truncated to 4928 due to limited KV cache memory"], LLAMA
    )
    assert (row.figure, row.printed, row.verdict) == ("session_len (tokens)", 4928, CANNOT)
    assert row.why.startswith("TurboMind's cache is not counted")
