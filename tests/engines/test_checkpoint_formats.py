"""A checkpoint that says how its KV cache is stored: who follows it, and from which release on."""

from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.checkpoint import CacheScheme
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model
from kvcalc.readers import read
from tests.each import each

CHECKPOINTS = Path("tests/oracles/configs/checkpoints")
STATIC = {"dynamic": False, "num_bits": 8, "type": "float"}
HEADS = FullAttention(kv_heads=8, head_dim=128)
ROWS = LatentAttention(kv_lora_rank=512, qk_rope_head_dim=64)
TENSOR: dict[str, Any] = {"strategy": "tensor", "symmetric": True, "dynamic": False}


def of(method: str, algorithm: str = "FP8", *, layer: Any = HEADS, **more: Any) -> Model:
    scheme = CacheScheme(method=method, algorithm=algorithm, origin="a file", **more)
    return Model(name="m", layers=(layer,) * 2, cache_scheme=scheme)


@each(
    ("checkpoint", "origin", "vllm", "sglang", "own"),
    [
        (
            "nvidia--Kimi-K2.6-NVFP4",
            "config.json, quantization_config, kv_cache_scheme",
            4_605_345_792,  # 4.29 GiB
            4_605_345_792,
            9_210_691_584,
        ),
        (
            "nvidia--Llama-3.1-70B-Instruct-FP8",
            "hf_quant_config.json, quantization.kv_cache_quant_algo",
            21_474_836_480,
            21_474_836_480,
            42_949_672_960,
        ),
        (
            "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4",
            "hf_quant_config.json, quantization.kv_cache_quant_algo",
            564_461_568,
            648_065_024,
            830_271_488,
        ),
        (
            "nvidia--Gemma-4-26B-A4B-NVFP4",
            "config.json, quantization_config, kv_cache_scheme",
            3_126_394_880,
            1_866_362_880,
            2_894_069_760,
        ),
        (
            "llama-modelopt-fp8kv.json",
            "config.json, quantization_config, kv_cache_scheme",
            8_589_934_592,
            8_589_934_592,
            17_179_869_184,
        ),
        (
            "Llama-3.1-8B-FP8-KV.json",
            "config.json, quantization_config, kv_cache_scheme",
            8_589_934_592,
            8_589_934_592,
            17_179_869_184,
        ),
    ],
)
def test_a_published_checkpoint_says_its_own_cache(
    checkpoint: str, origin: str, vllm: int, sglang: int, own: int
) -> None:
    reading = read(CHECKPOINTS / checkpoint)
    assert reading.origins["cache_scheme"] == origin
    assert any(f"'FP8' ({origin})" in note for note in reading.notes)
    model = reading.model
    for engine, expected in (("vllm", vllm), ("sglang", sglang)):
        cost = kvcalc.cost(model, engine)
        assert (cost.kv_cache_dtype.partition("_")[0], cost(131_072)) == ("fp8", expected)
        assert cost.why.endswith(f" by {origin}")
        assert kvcalc.cost(model, engine, kv_cache_dtype="bf16")(131_072) > expected
    assert kvcalc.cost(model, "ideal")(131_072) == own


def test_a_report_of_three_checkpoints_of_one_model() -> None:
    """vllm-project/recipes#810: 920,517 tokens, its memory inferred from them."""
    model = kvcalc.load(CHECKPOINTS / "qwen3.8-27b-nvfp4-kvfp8.json")
    pool = kvcalc.pool(model, memory=int(14.62 * 2**30), context=262_144, tensor_parallel_size=2)
    assert (pool.kv_cache_dtype, pool.figures["num_gpu_blocks"]) == ("fp8_e4m3", 611)
    assert pool.capacity_tokens == 920_517


@each(
    ("model", "release", "taken"),
    [
        (of("modelopt", dynamic=False), "0.13.0", "bfloat16"),
        (of("modelopt", dynamic=False), "0.14.0", "fp8_e4m3"),
        (of("modelopt_fp4", dynamic=False), "0.33.0", "fp8_e4m3"),
        (of("modelopt", dynamic=False, second=True), "0.33.0", "bfloat16"),
        (of("modelopt", dynamic=None), "0.33.0", "bfloat16"),  # a table must say that it is not
        (of("modelopt", dynamic=True), "0.33.0", "bfloat16"),
        (of("modelopt", "NVFP4", dynamic=False), "0.19.0", "bfloat16"),
        (of("modelopt", "NVFP4", dynamic=True), "0.20.0", "nvfp4"),
        (of("modelopt", "INT8", dynamic=False), "0.33.0", "bfloat16"),
        (of("compressed-tensors", **TENSOR), "0.14.0", "bfloat16"),
        (of("compressed-tensors", **TENSOR), "0.16.0", "fp8"),
        (of("compressed-tensors", **TENSOR | {"strategy": "attn_head"}), "0.33.0", "fp8"),
        (of("compressed-tensors", layer=ROWS, **TENSOR), "0.33.0", "bfloat16"),
        (of("quark", dynamic=False), "0.33.0", "bfloat16"),
    ],
)
def test_vllm_takes_what_its_release_reads(model: Model, release: str, taken: str) -> None:
    assert kvcalc.cost(model, f"vllm@{release}").kv_cache_dtype == taken
    assert kvcalc.cost(model, f"vllm@{release}", kv_cache_dtype="auto").kv_cache_dtype == taken
    if model.cache_scheme and model.cache_scheme.method.startswith("modelopt"):
        asked = kvcalc.cost(model, f"vllm@{release}", kv_cache_dtype="bf16")
        assert asked.kv_cache_dtype == "bfloat16"


@each(
    ("release", "taken"),
    [
        ("0.14.0", "bfloat16"),
        ("0.15.0", "fp8"),
        ("0.21.0", "fp8"),
        ("0.22.0", "bfloat16"),
        ("0.33.0", "bfloat16"),
    ],
)
def test_compressed_tensors_overrules_what_is_asked_up_to_0_21(release: str, taken: str) -> None:
    """Up to there each layer sets its format without a look at what was asked for."""
    asked = kvcalc.cost(
        of("compressed-tensors", **TENSOR), f"vllm@{release}", kv_cache_dtype="bf16"
    )
    assert asked.kv_cache_dtype == taken
    assert ("not by kv_cache_dtype" in asked.why) == (taken == "fp8")
    rows = kvcalc.cost(
        of("compressed-tensors", layer=ROWS, **TENSOR), f"vllm@{release}", kv_cache_dtype="bf16"
    )
    assert rows.kv_cache_dtype == "bfloat16"


@each(
    "model",
    [
        of("compressed-tensors", "INT8", **TENSOR),
        of("compressed-tensors", **TENSOR | {"strategy": "channel"}),
        of("compressed-tensors", **TENSOR | {"symmetric": False}),
    ],
)
def test_vllm_does_not_start_with_another_scheme(model: Model) -> None:
    with pytest.raises(UnsupportedError, match="kv_cache_dtype: found the checkpoint's"):
        kvcalc.cost(model, "vllm")


@each(
    ("model", "taken"),
    [
        (of("modelopt", dynamic=True), "fp8_e4m3"),
        (of("modelopt", dynamic=False, second=True), "fp8_e4m3"),
        (of("modelopt", "NVFP4", dynamic=False), "bfloat16"),
        (of("fp8", dynamic=False), "fp8_e4m3"),
        (of("compressed-tensors", layer=ROWS, **TENSOR), "fp8_e4m3"),
        (of("compressed-tensors", strategy="tensor"), "fp8_e4m3"),
        (of("compressed-tensors", **TENSOR | {"strategy": "attn_head"}), "bfloat16"),
        (of("compressed-tensors", **TENSOR | {"dynamic": True}), "bfloat16"),
        (of("quark", dynamic=False), "bfloat16"),
    ],
)
def test_sglang_takes_fp8_alone(model: Model, taken: str) -> None:
    assert kvcalc.cost(model, "sglang").kv_cache_dtype == taken
