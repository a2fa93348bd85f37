"""`check` holds a vLLM log against its own release, with what its lines say of the run."""

import io
from typing import Any

import pytest

from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked, read, verdicts
from kvcalc.engines.log import ASSUMED, GIVEN, LOGGED
from kvcalc.readers import load

CONFIGS = "tests/oracles/configs"
MODELS = {
    "gemma": load(f"{CONFIGS}/google--gemma-4-31B.json"),
    "qwen": load(f"{CONFIGS}/Qwen--Qwen3.5-27B.json"),
    "minimax": load(f"{CONFIGS}/MiniMaxAI--MiniMax-M2.5.json"),
    "deepseek": load(f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json"),
    "exaone": load("k-exaone-236b-a23b"),
}


def checked(log: str, model: str, **settings: Any) -> list[Checked]:
    return verdicts(read(io.BytesIO(log.encode()), "log"), MODELS[model], settings)


def found(rows: list[Checked]) -> list[tuple[int | float, int | float | None, str]]:
    return [(row.printed, row.ours, row.verdict) for row in rows]


V0_25_1 = (
    "(EngineCore pid=83) INFO 07-26 12:02:11 [core.py:105] Initializing a V1 LLM engine (v0.25.1) "
    "with config: model='/models/gemma-4-31b', speculative_config=None, max_seq_len=262144, "
    "tensor_parallel_size=1, kv_cache_dtype=auto, enable_prefix_caching=True\n"
)
RESERVED = (
    "INFO [gpu_worker.py:479] Initial free memory 93.88 GiB, reserved 49.0 GiB memory for KV Cache "
    "as specified by kv_cache_memory_bytes config and skipped memory profiling.\n"
)
GEMMA = (
    "INFO [kv_cache_utils.py:2146] GPU KV cache size: 280,494 tokens\n"
    "INFO [kv_cache_utils.py:2147] Maximum concurrency for 262,144 tokens per request: 1.07x\n"
)


@pytest.mark.parametrize("memory", [RESERVED, "Available KV cache memory: 49.0 GiB\n"])
def test_vllm_49878_before_the_upgrade(memory: str) -> None:
    """0.25.1 charges one batch of 32,768: no setting is the cause of 280,494 tokens."""
    rows = checked(V0_25_1 + memory + GEMMA, "gemma", max_num_batched_tokens=32_768)
    assert found(rows) == [(280_494, 280_494, AGREES), (1.07, 1.07, AGREES)]
    assert "20,070 blocks / 18,757 blocks per request" in rows[1].why
    assert {(row.engine_version, row.version_source) for row in rows} == {("0.25.1", LOGGED)}


def test_vllm_49878_after_the_upgrade() -> None:
    error = (
        "ValueError: To serve at least one request with the model's max seq len (262144), 70.79 "
        "GiB KV cache is needed, which is larger than the available KV cache memory (49.0 GiB). "
        "Based on the available memory, the estimated maximum model length is 58368.\n"
    )
    rows = checked(RESERVED + error, "gemma", max_num_batched_tokens=32_768)
    assert found(rows) == [(70.79, 70.7935, AGREES), (58_368, 58_368, AGREES)]
    assert {(row.engine_version, row.version_source) for row in rows} == {("0.33.0", ASSUMED)}


CONFIGIQ_112 = (
    "INFO [gpu_worker.py:466] Available KV cache memory: 64.68 GiB\n"
    "INFO [kv_cache_utils.py:2043] GPU KV cache size: 626,949 tokens\n"
    "INFO [kv_cache_utils.py:2048] Maximum concurrency for 262,144 tokens per request: 2.39x\n"
)


def test_another_release_is_the_first_cause_where_none_is_printed() -> None:
    rows = checked(CONFIGIQ_112, "gemma")
    assert [row.verdict for row in rows] == [DIFFERS, DIFFERS]
    for row in rows:
        assert "; vllm from 0.19.0 on and before 0.26.0, or " in row.why
    given = checked(CONFIGIQ_112, "gemma", release="0.24.0")
    assert found(given) == [(626_949, 626_949, AGREES), (2.39, 2.3916, AGREES)]
    assert {(row.engine_version, row.version_source) for row in given} == {("0.24.0", GIVEN)}


def test_a_release_that_is_given_wins_over_the_logs() -> None:
    asked = {"max_num_batched_tokens": 32_768, "release": "0.26.0"}
    rows = checked(V0_25_1 + RESERVED + GEMMA, "gemma", **asked)
    assert {(row.verdict, row.engine_version) for row in rows} == {(DIFFERS, "0.26.0")}
    assert not any("; vllm" in row.why for row in rows)


VLLM_40691 = (
    "INFO [kv_cache_utils.py:1319] GPU KV cache size: 290,864 tokens\n"
    "INFO [kv_cache_utils.py:1324] Maximum concurrency for 32,768 tokens per request: 33.04x\n"
)


def test_tokens_and_concurrency_prove_each_other_without_a_memory() -> None:
    """1,487 blocks: of 45 a request 33.04 times, of 4 groups of 784 tokens 290,864."""
    rows = checked(VLLM_40691, "qwen", release="0.19.0")
    assert found(rows) == [(290_864, 290_864, AGREES), (33.04, 33.0444, AGREES)]
    assert "1,487 blocks" in rows[0].why
    assert "45 blocks a request" in rows[1].why


def test_what_no_memory_can_settle_does_not_differ() -> None:
    rows = checked(VLLM_40691, "qwen")
    assert [row.verdict for row in rows] == [CANNOT, CANNOT]
    assert all("vllm from 0.17.0 on and before 0.28.0" in row.why for row in rows)
    (only,) = checked(VLLM_40691.splitlines()[0], "qwen")
    assert (only.verdict, only.why) == (CANNOT, "the available memory is missing from the log")


def test_two_figures_of_one_line_have_one_cause() -> None:
    """eugr/spark-vllm-docker 396: another rank had less memory."""
    log = (
        "Available KV cache memory: 28.74 GiB\n"
        "GPU KV cache size: 240,816 tokens, Maximum concurrency for 196,608 tokens per request: "
        "1.22x\n"
    )
    rows = checked(log, "minimax", tp=2)
    assert found(rows) == [(240_816, 243_072, DIFFERS), (1.22, 1.2363, DIFFERS)]
    assert all("the pool follows the least" in row.why for row in rows)


def test_the_start_up_error_of_the_same_server() -> None:
    log = (
        "Available KV cache memory: 22.5 GiB\n"
        "ValueError: To serve at least one request with the model's max seq len (196608), 23.25 "
        "GiB KV cache is needed, which is larger than the available KV cache memory (22.5 GiB). "
        "Based on the available memory, the estimated maximum model length is 190272.\n"
    )
    rows = checked(log, "minimax", tp=2)
    assert found(rows) == [(23.25, 23.25, AGREES), (190_272, 190_272, AGREES)]


def test_blocks_are_read_in_vllms_metric() -> None:
    """vLLM 51163, serve B: 20,377 blocks."""
    log = (
        "Available KV cache memory: 19.02 GiB\n"
        'vllm:cache_config_info{block_size="256",engine="0",num_gpu_blocks="20377"} 1.0\n'
        "GPU KV cache size: 1,179,770 tokens\n"
    )
    rows = checked(log, "deepseek", kv_cache_dtype="fp8_ds_mla", block_size=256, context=500_000)
    assert found(rows) == [(20_377, 20_377, AGREES), (1_179_770, 1_179_770, AGREES)]


OFF = (
    "WARNING [config.py:1297] Turning off hybrid kv cache manager because `--kv-transfer-config` "
    "is set. This will reduce the performance of vLLM on LLMs with sliding window attention.\n"
)


def test_a_hybrid_manager_that_the_log_says_is_off() -> None:
    """vLLM 41830: kept whole, DeepSeek V4 has one group, of blocks of 256 tokens."""
    log = OFF + (
        "ValueError: To serve at least one request with the models's max seq len (128000), (38.87 "
        "GiB KV cache is needed, which is larger than the available KV cache memory (10.11 GiB).\n"
    )
    for release in ("0.20.0", "0.21.0", "0.33.0"):
        rows = checked(log, "deepseek", tp=2, release=release)
        assert found(rows) == [(38.87, 38.8738, AGREES)]
    off = checked(
        OFF + "Available KV cache memory: 48 GiB\nGPU KV cache size: 262,144 tokens\n", "exaone"
    )
    assert found(off) == [(262_144, 262_144, AGREES)]


CLUB_295 = (
    "(APIServer pid=1) INFO 06-01 09:20:16 [utils.py:278] non-default args: {'model_tag': "
    "'/m/qwen3.6-27b', 'dtype': 'float16', 'max_model_len': 262144, 'quantization': 'auto_round', "
    "'tensor_parallel_size': 2, 'kv_cache_dtype': 'fp8_e5m2', 'enable_prefix_caching': True, "
    "'max_num_batched_tokens': 8192, 'max_num_seqs': 2, 'speculative_config': {'method': 'mtp', "
    "'num_speculative_tokens': 3}}\n"
)
ENGINE = (
    "(EngineCore pid=120) INFO 06-01 09:20:52 [core.py:112] Initializing a V1 LLM engine (v0.22.0) "
    "with config: model='/m/qwen3.6-27b', speculative_config=SpeculativeConfig(method='mtp', "
    "model='/m/qwen3.6-27b', num_spec_tokens=3), tokenizer='/m/qwen3.6-27b', dtype=torch.float16, "
    "max_seq_len=262144, tensor_parallel_size=2, pipeline_parallel_size=1, "
    "kv_cache_dtype=fp8_e5m2, enable_prefix_caching=True\n"
)
POOL = (
    "Available KV cache memory: 11.0 GiB\nGPU KV cache size: 620,944 tokens\n"
    "Maximum concurrency for 262,144 tokens per request: 2.37x\n"
)


@pytest.mark.parametrize("lines", [CLUB_295 + ENGINE, ENGINE])
def test_the_draft_and_the_arguments_that_the_log_states_are_used(lines: str) -> None:
    """noonghunna/club-3090 295: MTP 3, fp8_e5m2, TP 2: 424 blocks of 179 a request."""
    rows = checked(lines + POOL, "qwen")
    assert found(rows) == [(620_944, 620_944, AGREES), (2.37, 2.3687, AGREES)]
    assert "424 blocks / 179 blocks per request" in rows[1].why
    assert rows[0].engine_version == "0.22.0"


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ("", 14.27),
        (
            "'data_parallel_size': 8, 'enable_expert_parallel': True, 'all2all_backend': "
            "'deepep_low_latency'",
            12.09,
        ),
        ("'runner': 'pooling'", 13.14),
        ("'enable_chunked_prefill': False", 48.0),
    ],
)
def test_the_arguments_that_decide_a_batch_are_used(arguments: str, needed: float) -> None:
    """A batch of 8,192 twice in flight, of 256 twice, one batch alone, and the whole context."""
    log = (
        f"non-default args: {{'model': 'm', {arguments}}}\nValueError: To serve at least one "
        f"request with the model's max seq len (262144), {needed} GiB KV cache is needed, which is "
        "larger than the available KV cache memory (1.0 GiB). \n"
    )
    (row,) = checked(log, "exaone")
    assert (row.printed, row.verdict) == (needed, AGREES), row


def test_no_cause_contradicts_the_log_or_the_user() -> None:
    wrong = POOL.replace("620,944", "123,456").replace("2.37x", "0.47x")
    for row in checked(CLUB_295 + ENGINE + wrong, "qwen"):
        assert row.verdict == DIFFERS
        for stated in ("vllm", "tensor_parallel", "kv_cache_dtype", "speculative", "batched"):
            assert f"{stated}" not in row.why.partition("off by")[2]


@pytest.mark.parametrize(
    ("line", "version", "source"),
    [
        ("INFO [api_server.py:1] vLLM API server version 0.25.1", "0.25.1", LOGGED),
        (
            "INFO [utils.py:299]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.19.1rc1.dev301+g60995c05b",
            "0.19.1rc1.dev301+g60995c05b",
            LOGGED,
        ),
        ("Initializing a V1 LLM engine (v0.26.0rc2.dev7+gabc)", "0.26.0rc2.dev7+gabc", LOGGED),
        ("Initializing a V1 LLM engine (v0.1.dev1+g0c1e570)", "0.33.0", ASSUMED),
        ("INFO [utils.py:299]        █     █     █▄   ▄█", "0.33.0", ASSUMED),
    ],
)
def test_the_release_of_a_log(line: str, version: str, source: str) -> None:
    (row,) = checked(
        f"{line}\nAvailable KV cache memory: 9 GiB\nGPU KV cache size: 1 tokens", "qwen"
    )
    assert (row.engine_version, row.version_source) == (version, source)
