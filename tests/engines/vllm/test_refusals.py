"""What vLLM refuses, or what is not known of it: one sentence each."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.layers.attention import FullAttention, SlidingAttention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.composed import NoCache
from kvcalc.layers.cross import CrossAttention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import LightningAttention, Mamba2, Rwkv
from kvcalc.model import Model
from tests.each import each

LLAMA = kvcalc.load("llama-3.1-8b")
KEXAONE = kvcalc.load("k-exaone-236b-a23b")
DEEPSEEK = kvcalc.load("deepseek-v3")
FULL = FullAttention(query_heads=8, kv_heads=8, head_dim=128)
SPARSE = LatentAttention(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True, index_head_dim=128)
V4 = kvcalc.load("tests/oracles/configs/deepseek-ai--DeepSeek-V4-Flash.json")
STATE = Mamba2(kernel=4, heads=64, head_dim=64, groups=8, state=128)


def of(*layers: Layer) -> Model:
    return Model(name="m", layers=layers)


def slides(window: int) -> Layer:
    return SlidingAttention(kv_heads=8, head_dim=128, window=window)


@each(
    ("model", "settings", "sentence"),
    [
        (LLAMA, {"page_size": 16}, "vllm has no setting 'page_size'; it has kv_cache_dtype"),
        (LLAMA, {"block_size": 0}, "block_size: found 0, expected greater than or equal to 1"),
        (LLAMA, {"block_size": 17}, "block_size: found 17, expected a multiple of 16"),
        (LLAMA, {"block_size": "x"}, "block_size: found 'x'"),
        (LLAMA, {"max_num_batched_tokens": True}, "max_num_batched_tokens: found True"),
        (
            LLAMA,
            {"attention_backend": "FLASHINFER", "kv_cache_dtype": "fp8_per_token_head"},
            "found fp8_per_token_head, which FLASHINFER does not have on vllm",
        ),
        (
            DEEPSEEK,
            {"attention_backend": "CUTLASS_MLA", "block_size": 64},
            "block_size: found 64, expected a multiple of 128, the block of the kernels of CUTLASS",
        ),
        (
            of(SPARSE),
            {"block_size": 32, "gpu": "h200"},
            "block_size: found 32, expected a multiple of 64, the block of the kernels of FLASHMLA",
        ),
        (
            of(FullAttention(kv_heads=4, head_dim=128, index_head_dim=128)),
            {"block_size": 64},
            "block_size: found 64, expected a multiple of 128, the block of the kernels beside",
        ),
        (LLAMA, {"tensor_parallel_size": 3}, "tensor_parallel_size: found 3, expected a divisor"),
        (LLAMA, {"tensor_parallel_size": 12}, "tensor_parallel_size: found 12, expected a divisor"),
        (LLAMA, {"tensor_parallel_size": 64}, "found 64, expected a divisor of the 32 attention"),
        (DEEPSEEK, {"tensor_parallel_size": 3}, "found 3, expected a divisor of the 128 attention"),
        (V4, {"tensor_parallel_size": 128}, "found 128, expected a divisor of the 64 attention"),
        (LLAMA, {"kv_cache_dtype": "int4"}, "vLLM's element type 'int4' is unknown"),
        (
            LLAMA,
            {"kv_cache_dtype": "fp8_ds_mla"},
            "found fp8_ds_mla, which full attention does not have",
        ),
        (
            DEEPSEEK,
            {"kv_cache_dtype": "fp8_ds_mla"},
            "fp8_ds_mla, which latent attention does not have",
        ),
        (
            DEEPSEEK,
            {"kv_cache_dtype": "nvfp4"},
            "nvfp4, which latent attention does not have on vllm",
        ),
        (LLAMA, {"attention_backend": "XFORMERS"}, "vLLM's backend 'XFORMERS' is unknown"),
        (LLAMA, {"attention_backend": "FLASHMLA"}, "expected one for full attention: FLASH_ATTN"),
        (
            LLAMA,
            {"attention_backend": "FLASH_ATTN", "kv_cache_dtype": "nvfp4"},
            "found nvfp4, which FLASH_ATTN does not have on vllm",
        ),
        (
            LLAMA,
            {"kv_cache_dtype": "nvfp4", "gpu": "h200"},
            "nvfp4, which needs compute capability",
        ),
        (
            of(FullAttention(kv_heads=1, head_dim=8)),
            {"kv_cache_dtype": "nvfp4"},
            "nvfp4 needs heads of 16 elements or more, found 8",
        ),
        (LLAMA, {"gpu": "h999"}, "h999"),
        (of(FULL, LightningAttention(heads=1, head_dim=8)), {}, "does not support lightning_att"),
        (of(Rwkv(embedding=64, head_dim=64)), {}, "vllm does not support rwkv layers"),
        (of(NoCache()), {}, "m has no layer with a cache on vllm"),
        (
            of(LatentAttention(kv_lora_rank=512, qk_rope_head_dim=64, window=128)),
            {},
            "latent_attention layers with a window",
        ),
        (KEXAONE, {"pipeline_parallel_size": 49}, "expected at most the 48 layers"),
        (
            KEXAONE,
            {"pipeline_parallel_size": 2, "pp_layer_partition": "24,23"},
            "pp_layer_partition: found '24,23', expected 2 numbers that sum to the 48 layers",
        ),
        (
            KEXAONE,
            {"pipeline_parallel_size": 2, "pp_layer_partition": "a,b"},
            "pp_layer_partition: found 'a,b'",
        ),
        (
            KEXAONE,
            {"pipeline_parallel_size": 2, "pp_layer_partition": "-1,49"},
            "pp_layer_partition: found '-1,49', expected 2 numbers that sum to the 48 layers",
        ),
        # A stage may have no layers, as far as they are dealt; its cache is what it lacks.
        (
            KEXAONE,
            {"pipeline_parallel_size": 2, "pp_layer_partition": "0,48"},
            "pipeline_parallel_size: found 2, but stage 1 has no layer with a cache",
        ),
        (of(FULL, NoCache()), {"pipeline_parallel_size": 2}, "stage 2 has no layer with a cache"),
        (
            KEXAONE,
            {"tensor_parallel_size": 16, "decode_context_parallel_size": 2},
            "found 2, but vllm cannot share the contexts of sliding_attention layers, expected 1",
        ),
        *(
            (of(FULL, other), {setting: 2, "tensor_parallel_size": 16}, f"{setting}: found 2, but")
            for setting in ("decode_context_parallel_size", "prefill_context_parallel_size")
            for other in (
                slides(128),
                ChunkedAttention(kv_heads=8, head_dim=128, chunk=8192),
                CrossAttention(kv_heads=8, head_dim=128),
            )
        ),
        (
            V4,
            {"tensor_parallel_size": 8, "decode_context_parallel_size": 8},
            "found 8, but vllm cannot share the contexts of compressed_attention layers",
        ),
        (
            of(FULL, STATE),
            {"prefill_context_parallel_size": 2},
            "found 2, but vllm cannot share the contexts of mamba2 layers",
        ),
        (
            LLAMA,
            {"prefill_context_parallel_size": 2},
            "found 2, which vllm has for latent attention alone",
        ),
        (
            LLAMA,
            {"tensor_parallel_size": 8, "decode_context_parallel_size": 2},
            "found 2, which needs more ranks than the 8 KV heads, found tensor_parallel_size 8",
        ),
        (
            LLAMA,
            {"tensor_parallel_size": 64, "decode_context_parallel_size": 8},
            "found 8, expected a divisor of the 4 query heads of each KV head",
        ),
        (
            LLAMA,
            {
                "tensor_parallel_size": 16,
                "decode_context_parallel_size": 2,
                "kv_cache_dtype": "int8_per_token_head",
            },
            "found 2, which TRITON_ATTN cannot",
        ),
        (
            DEEPSEEK,
            {"tensor_parallel_size": 8, "decode_context_parallel_size": 3},
            "found 3, expected a divisor of tensor_parallel_size, 8",
        ),
        (
            DEEPSEEK,
            {
                "tensor_parallel_size": 4,
                "prefill_context_parallel_size": 2,
                "decode_context_parallel_size": 4,
            },
            "found 4, expected 1, 2 or 8 with prefill_context_parallel_size 2",
        ),
        (LLAMA, {"speculative_method": "mtp"}, "Llama-3.1-8B has no multi-token-prediction layers"),
        (of(STATE), {"speculative_method": "eagle"}, "m has no full attention to tell the draft's"),
        (LLAMA, {"kv_cache_dtype_skip_layers": "99"}, "found 99, expected indices below 32"),
        (LLAMA, {"kv_cache_dtype_skip_layers": "0,32"}, "found 32, expected indices below 32"),
        (LLAMA, {"kv_cache_dtype_skip_layers": "x"}, "expected layers' indices or sliding_window"),
        (
            of(FULL, STATE),
            {"disable_hybrid_kv_cache_manager": True},
            "found layers that cannot all be kept as full attention",
        ),
        (
            of(FULL, CrossAttention(kv_heads=8, head_dim=128)),
            {"disable_hybrid_kv_cache_manager": True},
            "found layers that cannot all be kept as full attention",
        ),
        (
            of(FULL, slides(128), slides(256)),
            {"disable_hybrid_kv_cache_manager": True},
            "found layers with the windows 128, 256, expected one window",
        ),
        (
            Model(name="m", layers=(FULL,), dtype="int8"),
            {},
            "kv_cache_dtype: found the model's own int8, expected one of auto",
        ),
        (
            of(FullAttention(kv_heads=8, head_dim=192, v_head_dim=128)),
            {"kv_cache_dtype": "nvfp4"},
            "nvfp4 needs keys and values of one size, found 192 and 128",
        ),
        (
            of(SPARSE, FULL),
            {"kv_cache_dtype": "fp8_ds_mla"},
            "found fp8_ds_mla, which is for rows of latent attention",
        ),
        (
            of(LatentAttention(**{**dict(SPARSE), "kv_lora_rank": 256})),
            {"kv_cache_dtype": "fp8_ds_mla"},
            "found fp8_ds_mla, which vllm does not have for rows of 256 + 64 elements",
        ),
        (
            of(FullAttention(kv_heads=4, head_dim=128, index_head_dim=128)),
            {"indexer_kv_dtype": "mxfp4"},
            "indexer_kv_dtype: found mxfp4, expected bfloat16 or fp8 beside keys and values",
        ),
        (V4, {"indexer_kv_dtype": "bfloat16"}, "found bfloat16 for rows of 128 elements"),
        (
            of(CompressedAttention(head_dim=512, window=128, ratio=2)),
            {},
            "does not support compressed_attention layers of 512 elements and ratio 2",
        ),
        (LLAMA, {"kv_cache_dtype_skip_layers": 5}, "kv_cache_dtype_skip_layers: found 5"),
        (
            LLAMA,
            {"mamba_cache_mode": "all"},
            "mamba_cache_mode: found 'all', which vllm 0.33.0 does not have",
        ),
        (LLAMA, {"prefill_checkpoint_blocks": 2}, "prefill_checkpoint_blocks: found 2"),
        (LLAMA, {"kv_cache_layout": "NCHW"}, "kv_cache_layout: found 'NCHW'"),
        (
            LLAMA,
            {"kv_cache_dtype": "turboquant_k8v4", "kv_cache_layout": "BLHNC"},
            "kv_cache_layout: found BLHNC, expected LBNHC for this model on TURBOQUANT",
        ),
        (V4, {"kv_cache_layout": "LBNHC"}, "kv_cache_layout: found LBNHC, expected BLHNC or BLNHC"),
        (
            of(FULL, *[slides(128)] * 2, *[SlidingAttention(kv_heads=4, head_dim=64, window=128)]),
            {"kv_cache_layout": "BLHNC"},
            "vllm cannot deal them out with the block outermost",
        ),
        (
            of(
                SlidingAttention(kv_heads=1, head_dim=128, window=128),
                FullAttention(kv_heads=1, head_dim=128),
                FULL,
            ),
            {"kv_cache_dtype": "fp8", "kv_cache_dtype_skip_layers": "sliding_window"},
            "found layer 0 padded to a page of 8,192 bytes beside pages of 65,536",
        ),
        (
            of(FullAttention(kv_heads=1, head_dim=128), slides(128)),
            {"kv_cache_dtype": "fp8", "kv_cache_dtype_skip_layers": "sliding_window"},
            "which do not fit in the page of 8192 bytes of the other layers",
        ),
    ],
)
def test_one_sentence_says_why(model: Model, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(KvcalcError) as caught:
        kvcalc.cost(model, "vllm", **settings)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@each(
    ("memory", "sentence"),
    [
        ((1, 2, 3), "memory: found 3 figures, expected one, one for each of 2 stages or one for"),
        (-1, "memory: found -1, expected an int from 0 to 10^50 or several, each"),
        ((), "memory: found (), expected bytes"),
        (1.5, "memory: found 1.5, expected an int from 0 to 10^50 or several, each"),
        ((1, -1), "memory: found (1, -1), expected an int from 0 to 10^50 or several, each"),
        ((1, True), "memory: found (1, True), expected an int from 0 to 10^50 or several, each"),
    ],
)
def test_memories_that_are_none(memory: Any, sentence: str) -> None:
    with pytest.raises(KvcalcError) as caught:
        kvcalc.pool(KEXAONE, "vllm", memory=memory, context=1, pipeline_parallel_size=2)
    assert sentence in str(caught.value)


SETTINGS: dict[str, tuple[str, object]] = {
    "kv_cache_dtype": ("bf16", "bfloat16"),
    "tensor_parallel_size": ("16", 16),
    "release": ("v0.33.0", "v0.33.0"),
    "strict_version": ("true", True),
    "block_size": ("32", 32),
    "max_num_batched_tokens": ("2048", 2048),
    "enable_chunked_prefill": ("false", False),
    "performance_mode": ("throughput", "throughput"),
    "usage_context": ("LLM_CLASS", "LLM_CLASS"),
    "data_parallel_size": ("8", 8),
    "enable_expert_parallel": ("true", True),
    "all2all_backend": ("nixl_ep", "nixl_ep"),
    "runner": ("pooling", "pooling"),
    "enable_kv_cache_events": ("true", True),
    "async_scheduling": ("false", False),
    "disable_hybrid_kv_cache_manager": ("true", True),
    "kv_connector": ("NixlConnector", "NixlConnector"),
    "pipeline_parallel_size": ("2", 2),
    "pp_layer_partition": ("20,28", "20,28"),
    "decode_context_parallel_size": ("2", 2),
    "prefill_context_parallel_size": ("2", 2),
    "enable_prefix_caching": ("true", True),
    "mamba_cache_mode": ("none", "none"),
    "mamba_ssm_cache_dtype": ("fp32", "float32"),
    "prefill_checkpoint_blocks": ("0", 0),
    "num_speculative_tokens": ("3", 3),
    "speculative_method": ("mtp", "mtp"),
    "num_prefill_lookahead_tokens": ("2", 2),
    "max_num_encoder_input_tokens": ("1500", 1500),
    "language_model_only": ("true", True),
    "attention_backend": ("TRITON_ATTN", "TRITON_ATTN"),
    "kv_cache_layout": ("NHD", "LBNHC"),
    "indexer_kv_dtype": ("fp8_e4m3", "fp8"),
    "kv_cache_dtype_skip_layers": ("0, 1,sliding_window", ("0", "1", "sliding_window")),
    "flash_attention_version": ("4", 4),
    "gpu": ("h200", "h200"),
    "max_num_seqs": ("256", 256),
    "enforce_eager": ("true", True),
    "max_cudagraph_capture_size": ("64", 64),
    "kv_cache_memory_bytes": ("1000000000", 10**9),
    "prefix_cache_retention_interval": ("1024", 1024),
}
"""Each setting as text, and its value."""


def test_every_setting_is_taken_from_text_too() -> None:
    assert SETTINGS.keys() == VllmSettings.model_fields.keys()
    texts: dict[str, Any] = {name: text for name, (text, _) in SETTINGS.items()}
    settings = VllmSettings(**texts)
    assert settings.model_dump() == {name: value for name, (_, value) in SETTINGS.items()}
    assert VllmSettings(**settings.model_dump()) == settings


@each(
    ("name", "text"),
    [
        ("block_size", "16.5"),
        ("block_size", "0x10"),
        ("tensor_parallel_size", "2,2"),
        ("num_speculative_tokens", "-1"),
        ("flash_attention_version", "5"),
        ("async_scheduling", "maybe"),
        ("kv_cache_dtype_skip_layers", "-1"),
        ("max_num_batched_tokens", "9" * 5000),
    ],
)
def test_text_that_is_no_value_is_one_sentence(name: str, text: str) -> None:
    given: dict[str, Any] = {name: text}
    with pytest.raises(KvcalcError) as caught:
        kvcalc.cost(LLAMA, "vllm", **given)
    assert str(caught.value).startswith(f"{name}: ")
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
