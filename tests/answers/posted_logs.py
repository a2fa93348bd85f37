"""The models of the posted logs, by the names that their posters gave, and what else they said."""

import re
from collections.abc import Mapping
from typing import Any

from kvcalc.layers.attention import FullAttention, SlidingAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.recurrent import GatedDeltaNet
from kvcalc.model import Model
from kvcalc.readers import load

CONFIGS = "tests/oracles/configs"


def full(kv_heads: int, head_dim: int, v_head_dim: int | None = None) -> FullAttention:
    return FullAttention(kv_heads=kv_heads, head_dim=head_dim, v_head_dim=v_head_dim)


def sliding(window: int, kv_heads: int, head_dim: int) -> SlidingAttention:
    return SlidingAttention(window=window, kv_heads=kv_heads, head_dim=head_dim)


def delta(value_heads: int) -> GatedDeltaNet:
    """A layer of Qwen3.5: 16 key heads, all heads of 128, a state that its file calls float32."""
    return GatedDeltaNet(
        kernel=4,
        key_heads=16,
        value_heads=value_heads,
        key_dim=128,
        value_dim=128,
        state_dtype="float32",
    )


def layers(*pattern: Any, times: int = 1, **facts: Any) -> Model:
    return Model(name="of a log", layers=pattern * times, **facts)


LATENT = LatentAttention(kv_lora_rank=512, qk_rope_head_dim=64)
QWEN35 = [delta(32)] * 3 + [full(4, 256)]
QWEN35_122B = [delta(64)] * 3 + [full(2, 256)]
GEMMA4_12B = layers(*[sliding(1024, 8, 256)] * 5, full(1, 512), times=8)

MODELS: Mapping[str, Model | str] = {
    "Gemma-3-270m": layers(*[sliding(512, 1, 256)] * 5, full(1, 256), times=3),
    "Gemma 4 12B class (49 layers with output)": GEMMA4_12B,
    "MiniMax M2 family (62 layers)": "minimax-m2.5",
    "Laguna (48 layers, 12 full + 36 sliding 512)": layers(
        full(8, 128), *[sliding(512, 8, 128)] * 3, times=12
    ),
    "google_gemma-3-4b-it-Q4_K_M, -c 8192": layers(
        *[sliding(1024, 4, 256)] * 29, *[full(4, 256)] * 5
    ),
    "Qwen3.5-122B-A10B": layers(*QWEN35_122B, times=12),
    "Llama 3.1 405B (126 layers)": "llama-3.1-405b",
    "qwen35 architecture, 64 layers, 24 heads, 4 KV heads, key 256 (27B), tensor parallel over 3": (
        f"{CONFIGS}/Qwen--Qwen3.5-27B.json"
    ),
    "ggml-org/gpt-oss-20b-GGUF": "gpt-oss-20b",
    "gpt-oss-20b, q8_0 cache": "gpt-oss-20b",
    "16-layer model, 16 KV heads x 128 (OLMoE-1B-7B fits)": layers(full(16, 128), times=16),
    "gemma-4-12B, -c 8192 -np 2": GEMMA4_12B,
    "gpt-oss-20b (GGUF)": "gpt-oss-20b",
    "XiaomiMiMo/MiMo-V2-Flash": f"{CONFIGS}/XiaomiMiMo--MiMo-V2-Flash.json",
    "MiMo-V2-Flash": f"{CONFIGS}/XiaomiMiMo--MiMo-V2-Flash.json",
    "deepseek-ai/DeepSeek-V3.2-Exp": f"{CONFIGS}/deepseek-ai--DeepSeek-V3.2.json",
    "Nemotron-H VL/Omni (Nemotron 3 Nano shape fits), TP4": (
        f"{CONFIGS}/nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.json"
    ),
    "Qwen3-235B-A22B-FP8": "qwen3-235b-a22b",
    "Qwen3.5-4B": layers(*QWEN35, times=8),
    "Qwen3-Coder-480B-A35B-Instruct-FP8": layers(full(8, 128), times=62),
    "qwen3.5-122b-a10b-nvfp4 (Sehyo) with MTP 1": layers(
        *QWEN35_122B, times=12, num_nextn_predict_layers=1
    ),
    "RedHatAI/Qwen3-32B-quantized.w4a16": "qwen3-32b",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8": "qwen3-30b-a3b",
    "moonshotai/Kimi-K2-Thinking": "kimi-k2",
    "gemma-4-12b (vllm/vllm-openai:gemma4-unified)": GEMMA4_12B,
    "Qwen3.6-27B, MTP 3, TurboQuant 3-bit KV": f"{CONFIGS}/Qwen--Qwen3.5-27B.json",
    "google/gemma-4-31B-it": layers(*[sliding(1024, 16, 256)] * 5, full(4, 512), times=10),
    "Qwen/Qwen3.5-9B": layers(*QWEN35, times=8),
    "llama3.1:8b (blob 667b0c1932bc)": "llama-3.1-8b",
    "gemma3 12B (49 layers with output; blob e8ad13eff07a = gemma3:12b)": layers(
        *[sliding(1024, 8, 256)] * 5, full(8, 256), times=8, model_type="gemma3"
    ),
    "llama3:8b (blob 6a0746a1ec1a)": "llama-3.1-8b",
    "GLM Z1 32B 0414": layers(full(2, 128), times=61),
    "DeepSeek R1 BF16": layers(full(128, 192, 128), times=61),
    "DeepSeek R1 Bf16": layers(full(128, 192, 128), times=61),
    "Deepseek-V3-0324": layers(LATENT, times=61),
    "Qwen3 235B A22B": "qwen3-235b-a22b",
    "Qwen1.5-7B-sft": layers(full(32, 128), times=32, dtype="float16"),
    "Llama-3.1-8B, fp8 KV": "llama-3.1-8b",
    "alpaca/LLaMA 30B q4_1": layers(full(52, 128), times=60),
}
"""By the log's `model_as_named`: a preset, a file, or layers as the case's `shape` has them."""


def model_of(case: Mapping[str, Any]) -> Model:
    """The model of a case."""
    found = MODELS[case["model_as_named"]]
    return load(found) if isinstance(found, str) else found


NUMBERS = {
    "ubatch": "ubatch_size",
    "parallel": "sequences",
    "ctx": "n_ctx",
    "tp": "tensor_parallel_size",
    "pp": "pipeline_parallel_size",
    "page_size": "page_size",
    "max_model_len": "max_model_len",
    "max_num_batched_tokens": "max_num_batched_tokens",
    "dp_attention": "attn_dp_size",
}
NAMES = {"cache_type": "kv_cache_dtype", "pp_partition": "pp_layer_partition"}
SWITCHES = {"kv_unified": "kv_unified", "prefix_caching": "prefix_caching"}


UNSAID = {
    "gemma-4-12b (vllm/vllm-openai:gemma4-unified)": {"max_num_batched_tokens": "2048"},
    "Qwen3.6-27B, MTP 3, TurboQuant 3-bit KV": {"kv_cache_dtype": "turboquant_3bit_nc"},
}
"""Settings that stand in a case's prose alone: the default of a 24 GB card, the cache's format."""


def settings_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """What a case says of its run, as `--set` takes it; a prose remark after a figure is left."""
    given = case["settings"]
    found: dict[str, Any] = {}
    for name, setting in NUMBERS.items():
        match = re.match(r"[0-9]+", str(given.get(name, "")))
        if match:
            found[setting] = match[0]
    for name, setting in NAMES.items():
        if name in given:
            found[setting] = given[name]
    for name, setting in SWITCHES.items():
        if given.get(name) is not None:
            found[setting] = str(given[name]).lower()
    found |= UNSAID.get(case["model_as_named"], {})
    if str(given.get("kv_dtype", "")).startswith("fp8"):
        found["kv_cache_dtype"] = given["kv_dtype"].split()[0]
    if "MTP" in str(given.get("speculative", "")):
        found["speculative_method"] = "mtp"
        found["num_speculative_tokens"] = given["speculative"].split()[1]
    return found
