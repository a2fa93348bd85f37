"""What the options of SGLang's server take (SGLang 0.5.23)."""

from collections.abc import Mapping

from kvcalc.engines.server import PAST_MAXIMUM
from kvcalc.engines.server.option_values import REVISION, Choices, Listed, Share, Takes, Whole
from kvcalc.engines.sglang.settings import FIELDS

TAKES: Mapping[str, Takes] = {
    PAST_MAXIMUM: Choices("srt/environ.py, EnvBool", ("1",)),
    "revision": Listed(f"{FIELDS}/model.py, revision", REVISION, most=1),
    "context": Whole(f"{FIELDS}/model.py, context_length"),
    "share": Share(f"{FIELDS}/schedule.py, mem_fraction_static"),
    "kv_cache_dtype": Choices(
        f"{FIELDS}/model.py, kv_cache_dtype",
        (
            *("auto", "fp8_e5m2", "fp8_e4m3", "mxfp8", "bf16", "bfloat16", "nvfp4"),
            "fp4_mx_block16",
        ),
    ),
    "dtype": Choices(
        f"{FIELDS}/model.py, dtype", ("auto", "half", "float16", "bfloat16", "float", "float32")
    ),
    "tensor_parallel_size": Whole(f"{FIELDS}/parallel.py, tp_size"),
    "attn_dp_size": Whole(f"{FIELDS}/parallel.py"),
    "disaggregation_mode": Choices(f"{FIELDS}/disagg.py", ("null", "prefill", "decode")),
    "disaggregation_decode_extra_slots": Whole(f"{FIELDS}/disagg.py", least=0),
    "page_size": Whole(f"{FIELDS}/schedule.py"),
    "swa_full_tokens_ratio": Share(f"{FIELDS}/schedule.py"),
    "max_total_tokens": Whole(f"{FIELDS}/schedule.py"),
    "max_running_requests": Whole(f"{FIELDS}/schedule.py"),
    "chunked_prefill_size": Whole(f"{FIELDS}/schedule.py", least=-1),
    "max_mamba_cache_size": Whole(f"{FIELDS}/schedule.py"),
    "mamba_full_memory_ratio": Share(f"{FIELDS}/schedule.py", most=None),
    "mamba_ssm_dtype": Choices(f"{FIELDS}/exec_.py", ("float32", "bfloat16", "float16")),
    "mamba_radix_cache_strategy": Choices(
        f"{FIELDS}/exec_.py", ("auto", "no_buffer", "extra_buffer", "extra_buffer_lazy")
    ),
    "attention_backend": Choices(
        "srt/arg_groups/choices.py, ATTENTION_BACKEND_CHOICES",
        (
            *("triton", "torch_native", "flex_attention", "dsa", "nsa", "qsa", "dsv4"),
            *("compressed", "fa3", "fa4", "flashinfer", "llada2_cfg_flashinfer", "flashmla"),
            *("trtllm_mla", "cutedsl_mla", "tokenspeed_mla", "trtllm_mha", "hpc_ops"),
            *("minicpm_flashattn", "minicpm_flashinfer", "aiter", "wave", "intel_amx"),
            *("ascend", "intel_xpu"),
        ),
    ),
    "speculative_num_draft_tokens": Whole(f"{FIELDS}/spec.py"),
    "speculative_num_steps": Whole(f"{FIELDS}/spec.py"),
    "speculative_eagle_topk": Whole(f"{FIELDS}/spec.py"),
    "swa_eviction_interval": Whole("srt/environ.py, EnvInt"),
}
