"""Each kind of vLLM's lines about its memory and its layout, by the engine's own formats.

Sizes are printed by format_gib of utils/mem_utils.py, which drops zeros at the end.
"""

import pytest

from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked
from tests.each import each
from tests.engines.log_lines import checked, load, misprinted
from tests.engines.vllm.test_log import gib

QWEN = load("qwen3-8b")
GEMMA_3 = load("gemma-3-27b")
SIZE = "GPU KV cache size: 72,816 tokens, Maximum concurrency for 1,024 tokens per request: 71.11x"


def found(rows: list[Checked]) -> list[tuple[str, str]]:
    return [(row.figure, row.verdict) for row in rows]


TOKENS, TIMES = "GPU KV cache size (tokens)", "maximum concurrency (x)"
BOTH_AGREE = [(TOKENS, AGREES), (TIMES, AGREES)]


@pytest.mark.parametrize(
    "memory",
    [
        "Available KV cache memory: 10.0 GiB",
        "reserved 10.0 GiB memory for KV Cache as specified by kv_cache_memory_bytes config",
        "Free memory on device (75.0/79.1 GiB) ... Current kv cache memory in use is 10.0 GiB.",
    ],
)
@pytest.mark.parametrize("device", ["GPU", "XPU", "CPU", "TPU"])
def test_each_line_of_the_memory_is_read_and_the_size_of_any_device(
    memory: str, device: str
) -> None:
    """36 layers of 4,096 bytes a token: 10 GiB are 4,551 blocks, and 64 of them a request."""
    assert found(checked([memory, SIZE.replace("GPU", device)], QWEN)) == BOTH_AGREE


def test_a_plan_of_an_earlier_start_gives_the_memory_to_the_byte() -> None:
    plan = (
        "Applying persisted startup plan (fingerprint 7f3a): kv_cache_memory_bytes={} (10.00 GiB), "
        "recorded free-memory baseline 75.00 GiB, current 75.10 GiB. Memory profiling will be "
        "skipped."
    )
    size = 4_551 * 16 * 36 * 4096
    assert found(checked([plan.format(size), SIZE], QWEN)) == BOTH_AGREE
    assert found(checked([plan.format(size - 1), SIZE], QWEN))[0] == (TOKENS, DIFFERS)


METRIC = (
    'vllm:cache_config_info{{block_size="16",cache_dtype="auto",enable_prefix_caching="True",'
    'engine="0",gpu_memory_utilization="0.92",kv_cache_max_concurrency="{}",'
    'kv_cache_memory_bytes="None",kv_cache_size_tokens="{}",mamba_cache_mode="none",'
    'num_gpu_blocks="{}",num_gpu_blocks_override="None"}} 1.0'
)


def test_each_label_of_the_metric_is_held_against_the_blocks() -> None:
    memory = "Available KV cache memory: 10.0 GiB"
    blocks = ("blocks (blocks)", AGREES)
    rows = checked([memory, METRIC.format(4551 / 64, 72_816, 4551)], QWEN, {"context": 1024})
    assert found(rows) == [blocks, *BOTH_AGREE]
    rows = checked([memory, METRIC.format(4552 / 64, 72_816, 4551)], QWEN, {"context": 1024})
    assert found(rows) == [blocks, (TOKENS, AGREES), (TIMES, DIFFERS)]


def test_the_metric_says_the_caches_type() -> None:
    fp8 = METRIC.replace("auto", "fp8").format(9102 / 64, 145_632, 9102)
    rows = checked(["Available KV cache memory: 10.0 GiB", fp8], QWEN, {"context": 1024})
    assert {row.verdict for row in rows} == {AGREES}


def test_blocks_are_read_where_one_engine_prints_them() -> None:
    line = "Engine 000: vllm cache_config_info with initialization after num_gpu_blocks is: {}"
    memory = "Available KV cache memory: 10.0 GiB"
    assert found(checked([memory, line.format(4551)], QWEN)) == [("blocks (blocks)", AGREES)]
    assert found(checked([memory, line.format(4000)], QWEN)) == [("blocks (blocks)", DIFFERS)]


def test_pools_of_hisparse_are_not_held_against_those_of_the_gpu() -> None:
    rows = checked(["Available KV cache memory: 10.0 GiB", SIZE.replace("GPU", "GPU + host")], QWEN)
    assert [(row.figure, row.verdict) for row in rows] == [(TIMES, CANNOT)]
    assert "HiSparse" in rows[0].why


@pytest.mark.parametrize("memory", ["0.0", "-2.71"])
def test_a_start_with_no_memory_left_says_what_a_request_needs(memory: str) -> None:
    """65,536 tokens of 147,456 bytes are 9 GiB."""
    error = "ValueError: No available memory for the cache blocks. Try increasing"
    (row,) = checked([f"Available KV cache memory: {memory} GiB", error], QWEN, {"context": 2**16})
    assert (row.printed, row.verdict) == (float(memory), AGREES)
    assert "one request of 65,536 tokens needs 9.00 GiB" in row.why
    (row,) = checked([error], QWEN)
    assert row.verdict == CANNOT
    (row,) = checked(["Available KV cache memory: 10.0 GiB", error], QWEN)
    assert row.verdict == DIFFERS


FREE, SHARE, WEIGHTS, ACTIVATION, TORCH, GRAPHS = (
    round(size * 2**30) for size in (78.4, 71.19, 51.23, 1.37, 0.62, 0.48)
)
PROPOSED = (
    "Free memory on device ({free}/79.11 GiB) on startup. Desired GPU memory utilization is "
    "(0.9, {share} GiB). Actual usage is {usage} GiB for CUDAGraph memory. Replace "
    "gpu_memory_utilization config with `--kv-cache-memory={in_share}` (1.0 GiB) to fit into "
    "requested memory, or `--kv-cache-memory={in_all}` (1.0 GiB) to fully utilize gpu memory. "
    "Current kv cache memory in use is 18.24 GiB."
)
USAGES = {
    "0.33.0": (
        f"{gib(WEIGHTS)} GiB for consumed memory (weights + non-torch), {gib(ACTIVATION)} GiB for "
        f"peak activation, and {gib(GRAPHS)}",
        WEIGHTS + ACTIVATION + GRAPHS,
    ),
    "0.11.2": (
        f"{gib(WEIGHTS)} GiB for weight, {gib(ACTIVATION)} GiB for peak activation, {gib(TORCH)} "
        f"GiB for non-torch memory, and {gib(GRAPHS)}",
        WEIGHTS + ACTIVATION + TORCH + GRAPHS,
    ),
}


@pytest.mark.parametrize("release", USAGES)
def test_the_memory_that_is_proposed_is_what_the_line_leaves(release: str) -> None:
    """150 MiB are left free beside weights, activations and graphs (gpu_worker.py)."""
    usage, used = USAGES[release]
    figures = {"free": gib(FREE), "share": gib(SHARE), "usage": usage}
    in_share, in_all = (size - used - 150 * 2**20 for size in (SHARE, FREE))
    wrong = 2**26
    for off, verdict in ((0, AGREES), (wrong, DIFFERS), (-wrong, DIFFERS)):
        line = PROPOSED.format(in_share=in_share + off, in_all=in_all + off, **figures)
        rows = checked([line])
        assert [(row.printed, row.verdict) for row in rows] == [
            (in_share + off, verdict),
            (in_all + off, verdict),
        ]


FITTED = [
    "Auto-fit max_model_len: reduced from 8192 to 4080 to fit in available KV cache memory "
    "(0.56 GiB GPU)",
    "Auto-fit max_model_len: reduced from 8192 to 4080 to fit in available GPU memory (0.56 GiB "
    "available for KV cache)",
]


@pytest.mark.parametrize("line", FITTED)
def test_a_length_that_was_fitted_is_the_longest(line: str) -> None:
    """A token takes 147,456 bytes: 4,096 of them take one more than there is."""
    exact = {"kv_cache_memory_bytes": 4096 * 147_456 - 1}
    (row,) = checked([line], QWEN, exact)
    assert (row.printed, row.verdict) == (4080, AGREES)
    for changed in ("4048", "4079", "4096"):
        (row,) = checked([line.replace("4080", changed)], QWEN, exact)
        assert row.verdict == DIFFERS


@pytest.mark.parametrize("context", ["0", "999,999,999,999,999"])
def test_a_length_that_is_none_is_missing(context: str) -> None:
    line = f"GPU KV cache size: 123 tokens, Maximum concurrency for {context} tokens per request: "
    rows = checked(["Available KV cache memory: 10.0 GiB", f"{line}1.5x"], QWEN)
    assert found(rows) == [(TOKENS, DIFFERS), (TIMES, CANNOT)]
    assert [row.verdict for row in checked([f"{line}1.5x"], GEMMA_3)] == [CANNOT, CANNOT]


def test_tokens_of_very_long_requests_are_paired_at_once() -> None:
    """Without a memory: 2**39 tokens are 2**35 blocks of 16, and 1.50 of them 51,539,607,552."""
    context, blocks = 2**39, 3 * 2**34
    line = f"GPU KV cache size: {blocks * 16:,} tokens, Maximum concurrency for {context:,} tokens"
    rows = checked([f"{line} per request: 1.50x"], QWEN)
    assert found(rows) == BOTH_AGREE
    rows = checked([f"{line} per request: 1.60x"], QWEN)
    assert [row.verdict for row in rows] == [CANNOT, CANNOT]


def test_the_lines_behind_are_of_the_length_that_was_fitted() -> None:
    """The engine's own configuration still says the length that was asked for."""
    lines = [
        "Initializing a V1 LLM engine (v0.33.0) with config: model='x', max_seq_len=8192",
        "non-default args: {'max_model_len': -1}",
        "Available KV cache memory: 0.56 GiB",
        FITTED[0],
        "GPU KV cache size: 4,080 tokens, Maximum concurrency for 4,080 tokens per request: 1.00x",
    ]
    assert {row.verdict for row in checked(lines, QWEN)} == {AGREES}


def test_a_whole_length_that_fits() -> None:
    """8,192 tokens are 1.125 GiB."""
    line = "Auto-fit max_model_len: full model context length 8192 fits in available GPU memory"
    for memory, verdict in (("1.13", AGREES), ("1.11", DIFFERS)):
        (row,) = checked([f"Available KV cache memory: {memory} GiB", line], QWEN)
        assert row.verdict == verdict
    (row,) = checked([line], QWEN)
    assert row.verdict == CANNOT


@pytest.mark.parametrize(
    ("name", "settings", "layers", "percent"),
    [
        # 52 sliding layers in groups of the 10 full ones: 8 of 52 are 15.38 %.
        ("gemma-3-27b", {}, 8, "15.38"),
        # The comment beside the rule: 12 sliding and 13 full with a draft's, padded to 13 each.
        ("gpt-oss-20b", {"speculative_method": "eagle3"}, 1, "8.33"),
    ],
)
def test_layers_that_pad_a_kinds_last_group(
    name: str, settings: dict[str, str], layers: int, percent: str
) -> None:
    line = f"Add {layers} padding layers, may waste at most {percent}% KV cache memory"
    names = ["padding layers (layers)", "padding layers of the kind's (%)"]
    rows = checked([line], load(name), settings)
    assert found(rows) == [(figure, AGREES) for figure in names]
    for figure, places in (("Add @ padding", 0), ("at most @%", 2)):
        for changed in misprinted(line, figure, places):
            assert DIFFERS in {row.verdict for row in checked([changed], load(name), settings)}
    assert [row.verdict for row in checked([line])] == [CANNOT, CANNOT]
    assert {row.verdict for row in checked([line], QWEN)} == {DIFFERS}


@each(("printed", "off"), [("2.00", "+0.22"), ("1.50", "-0.28")])
def test_a_concurrency_that_is_not_the_pools_says_by_how_much(printed: str, off: str) -> None:
    """10 GiB are 4,551 blocks of 16 tokens, 1.7777 requests of 2,560."""
    memory = "Available KV cache memory: 10.00 GiB"
    line = "GPU KV cache size: 72,816 tokens, Maximum concurrency for 40,960 tokens per request: "
    (*_, row) = checked([memory, f"{line}{printed}x"], QWEN)
    assert row.why == f"4,551 blocks / 2,560 blocks per request of 40,960 tokens: off by {off}"


@each(("tokens", "ours"), [(63_232, 63_232), (63_312, 63_312), (63_328, 63_312), (90_000, 63_312)])
def test_what_can_be_stored_is_held_against_the_most_that_the_memory_may_be(
    tokens: int, ours: int
) -> None:
    """8.69 GiB are 8.685 to 8.695, and a block of 16 tokens of Qwen3-8B takes 2.25 MiB."""
    lines = (
        "the rest of the memory reserved for KV Cache is only 8.69GiB",
        "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens "
        f"that can be stored in KV cache ({tokens}). Try increasing `gpu_memory_utilization`",
    )
    (row,) = checked(lines, QWEN)
    assert (row.ours, row.verdict) == (ours, AGREES if tokens == ours else DIFFERS)
