"""Lines of SGLang's start-up log (SGLang 0.5: srt/mem_cache/memory_pool.py, managers)."""

from kvcalc.readers.logs.pattern import COUNT, SIZE, pattern

PATTERNS = (
    pattern(
        "pool",
        "Cache is allocated",
        r"KV Cache is allocated\.(?: dtype: (?:torch\.)?(?P<dtype>[a-z0-9_]{1,30}),)? "
        rf"(?:#tokens: (?P<tokens>{COUNT}), )?(?:K size: (?P<k>{SIZE}) GB, V size: (?P<v>{SIZE}) GB"
        rf"|KV size: (?P<kv>{SIZE}) GB)",
    ),
    pattern(
        "window pool",
        "sliding window memory pool",
        rf"full_layer_tokens=(?P<full>{COUNT}), swa_layer_tokens=(?P<swa>{COUNT})",
    ),
    pattern(
        "both pools",
        "SWAKVPool mem usage",
        rf"SWAKVPool mem usage: (?P<gb>{SIZE}) GB, swa size: (?P<swa>{COUNT}), "
        rf"full size: (?P<full>{COUNT})",
    ),
    pattern(
        "states",
        "Cache is allocated",
        rf"max_mamba_cache_size: (?P<slots>{COUNT}), conv_state size: (?P<conv>{SIZE}) GB, "
        rf"ssm_state size: (?P<ssm>{SIZE}) GB",
    ),
    pattern(
        "limits",
        "max_total_num_tokens=",
        rf"max_total_num_tokens=(?P<tokens>{COUNT})(?:.{{0,200}}?max_running_requests="
        rf"(?P<requests>{COUNT}))?(?:.{{0,200}}?context_len=(?P<context>{COUNT}))?",
    ),
    pattern("arguments", "server_args=", r"server_args=ServerArgs\((?P<config>.*)"),
)
