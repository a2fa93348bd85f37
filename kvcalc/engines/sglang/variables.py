"""Variables of the environment that SGLang reads (SGLang 0.5.23, srt/environ.py).

What stands in no table is named to the person who asked.
"""

from kvcalc.engines.server import PAST_MAXIMUM

ENVIRONMENT = {
    "SGLANG_SWA_EVICTION_INTERVAL": "swa_eviction_interval",
    "SGLANG_MAMBA_SSM_DTYPE": "mamba_ssm_dtype",
    "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": PAST_MAXIMUM,
}
"""The setting of each."""

CHANGES_CACHE = (
    "^sglang_(mamba_conv_dtype|opt_mamba_skip_decode_lock|opt_use_online_compress|use_hnd_kvcache"
    "|dsv4_(unified_kv.*|(compressed_)?kv_layout))$"
)
"""Those that change what is held in ways that are not counted."""

NO = ("false", "0", "no", "n")
"""What a variable that is true or false takes for false (EnvBool)."""

OWN_VALUES = {
    "SGLANG_MAMBA_CONV_DTYPE": ("bfloat16",),
    "SGLANG_OPT_MAMBA_SKIP_DECODE_LOCK": NO,
    "SGLANG_OPT_USE_ONLINE_COMPRESS": NO,
    "SGLANG_USE_HND_KVCACHE": NO,
    "SGLANG_DSV4_KV_LAYOUT": ("v4",),
    "SGLANG_DSV4_COMPRESSED_KV_LAYOUT": ("auto",),
    "SGLANG_DSV4_UNIFIED_KV_FP8": NO,
}
"""What each of those has by itself, with which it changes nothing."""

VARIABLES = """
SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION SGLANG_DEFAULT_THINKING SGLANG_DG_CACHE_DIR
SGLANG_DISAGGREGATION_BOOTSTRAP_TIMEOUT SGLANG_DISAGGREGATION_HEARTBEAT_MAX_FAILURE
SGLANG_DISAGGREGATION_WAITING_TIMEOUT SGLANG_DSV4_REASONING_EFFORT
SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION SGLANG_JIT_DEEPGEMM_FAST_WARMUP
SGLANG_JIT_DEEPGEMM_PRECOMPILE SGLANG_LOG_FORWARD_ITERS SGLANG_LOG_MS SGLANG_PORT
SGLANG_REQUEST_STATE_WAIT_TIMEOUT SGLANG_SET_CPU_AFFINITY SGLANG_SIMULATE_ACC_LEN
SGLANG_SIMULATE_ACC_METHOD SGLANG_SIMULATE_ACC_TOKEN_MODE SGLANG_TIMEOUT_KEEP_ALIVE
SGLANG_TORCH_PROFILER_DIR SGLANG_USE_MESSAGE_QUEUE_BROADCASTER SGLANG_USE_MODELSCOPE
"""

HARMLESS_VARIABLES = frozenset(VARIABLES.split())
"""Those that leave the cache as it is."""

SAID_VARIABLES = {
    "weights and buffers are counted by fit as SGLang's own choice of kernels has them": (
        "SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK SGLANG_ENABLE_JIT_DEEPGEMM "
        "SGLANG_FLASHINFER_NUM_MAX_DISPATCH_TOKENS_PER_RANK SGLANG_MOE_NVFP4_DISPATCH "
        "SGLANG_OPT_DEEPGEMM_MEGA_MOE_NUM_MAX_TOKENS_PER_RANK"
    ),
    "what a transfer of the cache stages on the GPU is not counted": (
        "SGLANG_DISAGG_STAGING_BUFFER SGLANG_DISAGG_STAGING_POOL_SIZE_MB "
        "SGLANG_MOONCAKE_CUSTOM_MEM_POOL"
    ),
}
"""Those with a note."""
