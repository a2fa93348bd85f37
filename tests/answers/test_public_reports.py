"""What people asked in public about servers, with the figures that their engines printed.

`check` is given the log's lines, and `estimate` the command line; of a checkpoint of the same
shape the file of another is read.
"""

from typing import Any

import pytest

import kvcalc
from kvcalc.answers.check import AGREES
from kvcalc.engines.server.reader import read
from tests.each import each
from tests.engines.log_lines import checked, load

CONFIGS = "tests/oracles/configs"
QWEN_27B = f"{CONFIGS}/Qwen--Qwen3.5-27B.json"
"""Of Qwen3.5, 3.6 and 3.8 alike."""

Figures = list[tuple[float, float | None, str]]


def exact(*figures: float) -> Figures:
    """Figures that agree, where ours is a whole number as printed."""
    return [(figure, figure, AGREES) for figure in figures]


SEQUENCES = "ValueError: max_num_seqs ({}) exceeds available Mamba cache blocks ({})."

CHECKED: dict[str, tuple[str, str, dict[str, Any], Figures]] = {
    # vLLM 0.28.0 on an H100: the one line posted; the memory is that of its 969 blocks.
    "vllm-project/vllm#49064, H100": (
        f"Available KV cache memory: 46.4 GiB\n{SEQUENCES.format(1024, 969)}",
        QWEN_27B,
        {"release": "0.28.0"},
        exact(969),
    ),
    "vllm-project/vllm#49064, two cards of 20 GiB": (
        "Available KV cache memory: 3.86 GiB\nGPU KV cache size: 123,399 tokens\n"
        + SEQUENCES.format(256, 161),
        QWEN_27B,
        {"release": "0.23.1", "tp": 2, "max_model_len": 122_633},
        exact(123_399, 161),
    ),
    # The memory of these three was told by the figures alone.
    "vllm-project/recipes#810, FP8 checkpoint": (
        "GPU KV cache size: 377,456 tokens",
        QWEN_27B,
        {"tp": 2, "kv_cache_memory_bytes": 491 * 25_690_112, "max_model_len": 262_144},
        exact(377_456),
    ),
    "vllm-project/recipes#810, NVFP4 checkpoint": (
        "GPU KV cache size: 445,875 tokens",
        QWEN_27B,
        {"tp": 2, "kv_cache_memory_bytes": 580 * 25_690_112, "max_model_len": 262_144},
        exact(445_875),
    ),
    "vllm-project/recipes#810, NVFP4 checkpoint with a cache of fp8": (
        "Available KV cache memory: 14.62 GiB\nGPU KV cache size: 920,517 tokens",
        f"{CONFIGS}/checkpoints/qwen3.8-27b-nvfp4-kvfp8.json",
        {"tp": 2},
        exact(920_517),
    ),
    "mitchross/talos-argocd-proxmox#1995": (
        "Available KV cache memory: 4.99 GiB\nGPU KV cache size: 302,921 tokens\n"
        "Maximum concurrency for 131,072 tokens per request: 2.31x",
        QWEN_27B,
        {"tp": 2, "kv_cache_dtype": "fp8"},
        [*exact(302_921), (2.31, 2.3111, AGREES)],
    ),
    "vllm-project/vllm#49011": (
        "INFO 07-25 13:41:23 [api_utils.py:339]  version 0.25.1\n"
        "Add 3 padding layers, may waste at most 6.25% KV cache memory\n"
        "GPU KV cache size: 1,823,372 tokens\n"
        "Maximum concurrency for 1,048,576 tokens per request: 1.74x",
        QWEN_27B,
        {
            "kv_cache_dtype": "nvfp4",
            "speculative_method": "mtp",
            "num_speculative_tokens": 2,
            "enable_prefix_caching": True,
        },
        [*exact(3, 6.25, 1_823_372), (1.74, 1.7389, AGREES)],
    ),
    "vllm-project/vllm#46329": (
        "GPU KV cache size: 264,640 tokens\n"
        "Maximum concurrency for 262,144 tokens per request: 1.01x",
        QWEN_27B,
        {
            "release": "0.27.1",
            "kv_cache_dtype": "nvfp4",
            "speculative_method": "mtp",
            "num_speculative_tokens": 2,
            "enable_prefix_caching": True,
        },
        [*exact(264_640), (1.01, 1.0095, AGREES)],
    ),
    "vllm-project/vllm#29303, before its release": (
        "Add 17 padding layers, may waste at most 89.47% KV cache memory",
        "gpt-oss-120b",
        {"release": "0.11.2", "speculative_method": "eagle3"},
        [*exact(17), (89.47, 89.4737, AGREES)],
    ),
    "vllm-project/vllm#29303, after it": (
        "Add 1 padding layers, may waste at most 5.56% KV cache memory",
        "gpt-oss-120b",
        {"release": "0.12.0", "speculative_method": "eagle3"},
        [*exact(1), (5.56, 5.5556, AGREES)],
    ),
    # Of a build in which each worker was looked at, as releases do from 0.17.0 on.
    "vllm-project/vllm#29431, Llama 4 Scout over two stages": (
        "Available KV cache memory: 36.20 GiB\n"
        "Hybrid KV cache manager is disabled for this hybrid model\n"
        "Auto-fit max_model_len: reduced from 10485760 to 324640 to fit in available GPU memory "
        "(29.72 GiB available for KV cache)",
        "llama-4-scout",
        {"release": "0.17.0", "pp": 2},
        exact(324_640),
    ),
    "alvarobartt/hf-mem#60, before 0.20.1": (
        'level=INFO name=vllm.v1.worker.gpu_worker msg="Available KV cache memory: 5.38 GiB"\n'
        'level=INFO name=vllm.v1.core.kv_cache_utils msg="GPU KV cache size: 78,384 tokens"',
        "gpt-oss-120b",
        {},
        exact(78_384),
    ),
}
"""By report: the log's lines, the model, what else was said, and each figure with ours."""


@each("report", CHECKED)
def test_a_posted_log_agrees_to_its_last_digit(report: str) -> None:
    lines, model, settings, figures = CHECKED[report]
    rows = checked(lines.splitlines(), load(model), settings)
    assert [(row.printed, row.ours, row.verdict) for row in rows] == figures


LMCACHE = '--kv-transfer-config \'{"kv_connector":"LMCacheConnectorV1","kv_role":"kv_both"}\''
YARN = '--hf-overrides \'{"text_config":{"rope_parameters":{"rope_type":"yarn","factor":4.0}}}\''

ESTIMATED: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "vllm-project/vllm#49011: 383 blocks of 2,832 tokens": (
        "vllm serve unsloth/Qwen3.6-27B-NVFP4 --gpu-memory-utilization 0.7 --max-model-len 1048576 "
        "--max-num-seqs 1 --max-num-batched-tokens 32768 --enable-prefix-caching "
        "--enable-chunked-prefill --async-scheduling --kv-cache-dtype nvfp4 --compilation-config "
        '\'{"cudagraph_mode":"PIECEWISE"}\' --attention-backend FLASHINFER '
        '--speculative-config \'{"method":"mtp","num_speculative_tokens":2}\' ' + YARN,
        QWEN_27B,
        {"release": "0.25.1"},
        383 * 55_461_888,
    ),
    "local-inference-lab/vllm#82: 54,728 bytes a token and rank": (
        "vllm serve zai-org/GLM-5.2 -tp 4 --kv-cache-dtype fp8_ds_mla --max-model-len 240000 "
        '--speculative-config \'{"method":"mtp","num_speculative_tokens":1}\'',
        f"{CONFIGS}/zai-org--GLM-5.2.json",
        {},
        240_000 * 54_728 * 4,
    ),
    "LMCache#3163, #5139: 24.00 GiB": (
        f"vllm serve x --max-model-len 131072 {LMCACHE}",
        "k-exaone-236b-a23b",
        {},
        24 * 2**30,
    ),
}
"""By report: the line, the model, what else was said, and the bytes of all GPUs."""


@pytest.mark.parametrize("report", ESTIMATED)
def test_a_posted_command_line_takes_what_its_engine_prints(report: str) -> None:
    line, source, more, expected = ESTIMATED[report]
    engine, asked = read(line)
    model = load(source)
    cost = kvcalc.cost(model, engine, **{**asked.settings, **more})
    assert cost(asked.context or model.max_context) == expected
