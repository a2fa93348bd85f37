"""What the options and variables of `vllm serve` take (vLLM 0.33.0)."""

from collections.abc import Mapping

from kvcalc.engines.server import PAST_MAXIMUM
from kvcalc.engines.server.option_values import (
    REVISION,
    Choices,
    Json,
    Listed,
    Share,
    Takes,
    Whole,
)
from kvcalc.engines.vllm.kernels import BACKENDS

TAKES: Mapping[str, Takes] = {
    PAST_MAXIMUM: Choices("envs.py, VLLM_ALLOW_LONG_MAX_MODEL_LEN", ("1",)),
    "revision": Listed("config/model.py, revision", REVISION, most=1),
    "context": Whole("engine/arg_utils.py, human_readable_int_or_auto"),
    "sequences": Whole("config/scheduler.py, max_num_seqs"),
    "max_num_active_seqs": Whole("config/scheduler.py, max_num_active_seqs"),
    "share": Share("config/cache.py, gpu_memory_utilization"),
    "dtype": Choices(
        "config/model.py, ModelDType",
        ("auto", "half", "float16", "bfloat16", "float", "float32"),
    ),
    "kv_cache_dtype": Choices(
        "config/cache.py, CacheDType",
        (
            *("auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc"),
            *("fp8_ds_mla", "nvfp4_ds_mla", "turboquant_k8v4", "turboquant_4bit_nc"),
            *("turboquant_k3v4_nc", "turboquant_3bit_nc", "octave_k3v4", "octave_k3v3"),
            *("octave_k3v3_compact", "ultraquant_4bit", "int4_per_token_head"),
            *("int8_per_token_head", "fp8_per_token_head", "nvfp4", "nvfp4_4over6"),
        ),
    ),
    "tensor_parallel_size": Whole("config/parallel.py"),
    "pipeline_parallel_size": Whole("config/parallel.py"),
    "decode_context_parallel_size": Whole("config/parallel.py"),
    "prefill_context_parallel_size": Whole("config/parallel.py"),
    "block_size": Whole("config/cache.py"),
    "max_num_batched_tokens": Whole("config/scheduler.py"),
    "max_cudagraph_capture_size": Whole("config/compilation.py"),
    "kv_cache_memory_bytes": Whole("config/cache.py"),
    "prefix_cache_retention_interval": Whole("config/cache.py", least=0),
    "mamba_cache_mode": Choices("config/cache.py, MambaCacheMode", ("none", "align")),
    "mamba_ssm_cache_dtype": Choices(
        "config/cache.py, MambaDType", ("auto", "float32", "float16", "bfloat16")
    ),
    "attention_backend": Choices(
        "v1/attention/backends/registry.py, AttentionBackendEnum: those that kvcalc counts",
        tuple(BACKENDS),
    ),
    "attention_config": Json("config/attention.py"),
    "kv_transfer_config": Json("config/kv_transfer.py"),
    "kv_events_config": Json("config/kv_events.py"),
    "performance_mode": Choices(
        "config/vllm.py, PerformanceMode", ("balanced", "interactivity", "throughput")
    ),
    "data_parallel_size": Whole("config/parallel.py"),
    "all2all_backend": Choices(
        "config/parallel.py, All2AllBackend",
        (
            *("naive", "pplx", "deepep_high_throughput", "deepep_low_latency", "deepep_v2"),
            *("mori_high_throughput", "mori_low_latency", "moonep", "nixl_ep"),
            *("allgather_reducescatter", "flashinfer_all2allv", "flashinfer_nvlink_two_sided"),
            "flashinfer_nvlink_one_sided",
        ),
    ),
    "runner": Choices("config/model.py, RunnerOption", ("auto", "generate", "pooling")),
    "kv_cache_dtype_skip_layers": Listed(
        "config/cache.py; engine/arg_utils.py, one or more", pattern="[0-9]+|sliding_window"
    ),
    "speculative_method": Choices("config/speculative.py", ("mtp", "eagle", "eagle3")),
    "num_speculative_tokens": Whole("config/speculative.py"),
    "pp_layer_partition": Listed(
        "envs.py; distributed/utils.py, get_pp_indices", pattern="[0-9]+", joint=","
    ),
    "kv_cache_layout": Choices(
        "envs.py, VLLM_KV_CACHE_LAYOUT",
        ("LBNHC", "LBHNC", "LHBNC", "NHD", "HND", "BLHNC", "BLNHC", "BHLNC"),
    ),
}
