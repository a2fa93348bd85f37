"""Lines of TensorRT-LLM's start-up log (cpp/tensorrt_llm/batch_manager)."""

from kvcalc.readers.logs.pattern import COUNT, SIZE, pattern

PATTERNS = (
    pattern(
        "memory",
        "tokens in paged ",
        rf"in paged kv cache: total: (?P<total>{SIZE}) GiB, available: (?P<gib>{SIZE}) GiB",
    ),
    pattern(
        "blocks",
        "primary pool",
        rf"Number of blocks in KV cache primary pool: (?P<blocks>{COUNT})",
    ),
    pattern(
        "tokens per block", "tokens per block", rf"tokens per block(?::|=) (?P<tokens>{COUNT})"
    ),
    pattern("primary blocks", "tokens per block", rf"primary blocks=(?P<blocks>{COUNT})"),
    pattern(
        "allocated",
        "tokens in paged ",
        rf"Allocated (?P<gib>{SIZE}) GiB for max tokens in paged KV cache \((?P<tokens>{COUNT})\)",
    ),
    pattern("used", "tokens in paged ", rf"Using (?P<tokens>{COUNT}) tokens in paged KV cache"),
)
