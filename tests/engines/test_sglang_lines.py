"""Command lines as people start SGLang: each word is understood, and none of memory is lost."""

from typing import Any

from kvcalc.engines.server.reader import read
from tests.each import each

LAUNCH = "python3 -m sglang.launch_server"

LINES: dict[str, dict[str, Any]] = {
    f"{LAUNCH} --model org/m --tp 8 --trust-remote-code": {"tensor_parallel_size": "8"},
    f"{LAUNCH} --model-path org/m --tp-size 8 --dp-size 8 --enable-dp-attention --ep-size 8": {
        "tensor_parallel_size": "8",
        "attn_dp_size": "8",
    },
    f"SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN=1 {LAUNCH} --model org/m --context-length 1Mi": {},
    "sglang serve --model-path org/m --reasoning-parser qwen3 --tool-call-parser qwen3_coder "
    "--mem-fraction-static 0.85 --host 0.0.0.0 --port 30000": {},
    f"{LAUNCH} --model org/m --kv-cache-dtype fp8_e4m3 --attention-backend trtllm_mha "
    "--moe-runner-backend flashinfer_mxfp4 --cuda-graph-max-bs 256 --disable-radix-cache": {
        "kv_cache_dtype": "fp8_e4m3",
        "attention_backend": "trtllm_mha",
        "disable_radix_cache": True,
    },
    f"{LAUNCH} --model org/m --chunked-prefill-size 16384 --max-prefill-tokens 16384 "
    "--max-running-requests 128 --max-total-tokens 65536 --schedule-conservativeness 0.3": {
        "chunked_prefill_size": "16384",
        "max_running_requests": "128",
        "max_total_tokens": "65536",
    },
    f"{LAUNCH} --model org/m --page-size 64 --swa-full-tokens-ratio 0.2 --stream-interval 10": {
        "page_size": "64",
        "swa_full_tokens_ratio": "0.2",
    },
    f"{LAUNCH} --model org/m --mamba-scheduler-strategy extra_buffer --mamba-ssm-dtype bfloat16 "
    "--max-mamba-cache-size 512 --mamba-full-memory-ratio 0.5 --disable-overlap-schedule": {
        "mamba_radix_cache_strategy": "extra_buffer",
        "mamba_ssm_dtype": "bfloat16",
        "max_mamba_cache_size": "512",
        "mamba_full_memory_ratio": "0.5",
        "disable_overlap_schedule": True,
    },
    f"{LAUNCH} --model org/m --tp 4 --nnodes 2 --node-rank 0 --dist-init-addr 10.0.0.1:5000 "
    "--moe-a2a-backend deepep --deepep-mode auto --enable-eplb --ep-num-redundant-experts 32 "
    "--enable-two-batch-overlap --moe-dense-tp-size 1 --enable-dp-lm-head": {
        "tensor_parallel_size": "4",
    },
    "docker run --gpus all --shm-size 32g -p 30000:30000 lmsysorg/sglang:latest "
    f"{LAUNCH} --model-path org/m --dtype bfloat16 --quantization modelopt_fp4 "
    "--weight-loader-prefetch-checkpoints --log-requests --enable-metrics --watchdog-timeout 900": {
        "kv_cache_dtype": "bfloat16",
    },
    f"{LAUNCH} --model org/m --enable-multimodal --mm-attention-backend fa3 --mm-enable-dp-encoder "
    "--keep-mm-feature-on-device --limit-mm-data-per-request '{\"image\": 4}'": {},
    f"{LAUNCH} --model org/m --prefill-attention-backend fa3 --decode-attention-backend fa3 "
    "--pp-size 1 --dcp-size 1": {"attention_backend": "fa3"},
    f"{LAUNCH} --model org/m --piecewise-cuda-graph-tokens 512 1024 --enable-torch-compile "
    "--torch-compile-max-bs 8 --cuda-graph-bs 1 2 4 8 --sampling-backend flashinfer": {},
    f"{LAUNCH} --model org/m --served-model-name m --chat-template t.jinja --api-key k "
    "--random-seed 1 --skip-server-warmup --allow-auto-truncate --revision v1 --load-format dummy "
    "--download-dir /d --load-balance-method round_robin --log-level info --grammar-backend x": {},
}
"""By line: the settings that it gives."""


@each("line", LINES)
def test_a_line_is_understood(line: str) -> None:
    engine, asked = read(line)
    release = {"release"} & asked.settings.keys()
    settings = {name: value for name, value in asked.settings.items() if name not in release}
    assert (engine, asked.model, settings) == ("sglang", "org/m", LINES[line])
    assert all("counted by fit" in note for note in asked.notes)


REMARKED = {
    "--cuda-graph-max-bs 256": "counted by fit as without it",
    "--disable-cuda-graph": "counted by fit as without it",
    "--enable-hierarchical-cache --hicache-ratio 2 --hicache-storage-backend mooncake": "on top",
    "--enable-lmcache --lmcache-config-file f.yaml": "copies of the cache take memory outside",
    "--speculative-algorithm EAGLE3 --speculative-draft-model-path org/d --speculative-num-steps 3 "
    "--speculative-eagle-topk 1 --speculative-num-draft-tokens 4": "only where draft_layers",
    "--nsa-prefill-backend flashmla_sparse --nsa-decode-backend fa3": "stores them by itself",
    "--disaggregation-mode decode --disaggregation-transfer-backend nixl": "slots for requests",
    "--linear-attn-backend flashinfer --mamba-backend flashinfer": "those of triton are counted",
    "--enable-lora --lora-paths a=b --max-loras-per-batch 4": "the adapters' weights",
    "--dllm-algorithm LowConfidence --dllm-algorithm-config f.yaml": "a diffusion model keeps",
    "--config server.yaml": "what stands in that file is not read",
    "--enable-prefill-cp --cp-strategy zigzag": "how prompts are split over ranks",
}
"""By flags: what is said of them."""


@each("flags", REMARKED)
def test_what_is_not_counted_is_said(flags: str) -> None:
    _, asked = read(f"{LAUNCH} --model org/m {flags}")
    assert any(REMARKED[flags] in note for note in asked.notes)
    assert not any("does not know" in note for note in asked.notes)
