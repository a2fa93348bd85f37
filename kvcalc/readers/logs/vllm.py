"""Lines of vLLM's start-up log (vLLM 0.1 to 0.33: v1/core/kv_cache_utils.py, gpu_worker.py)."""

from kvcalc.readers.logs.pattern import COUNT, SIZE, pattern

PATTERNS = (
    pattern("available", "KV cache memory", rf"Available KV cache memory [:=] (?P<gib>{SIZE}) GiB"),
    pattern("tokens", "KV cache size", rf"GPU KV cache size [:=] (?P<tokens>{COUNT}) tokens"),
    pattern(
        "concurrency",
        "Maximum concurrency",
        rf"Maximum concurrency(?: for (?P<context>{COUNT}) tokens per request)? [:=] "
        rf"(?P<times>{SIZE})x",
    ),
    pattern(
        "refused",
        "KV cache memory",
        rf"max seq len \((?P<context>{COUNT})\), \(?(?P<needed>{SIZE}) GiB KV cache is needed, "
        rf"which is larger than the available KV cache memory \((?P<gib>{SIZE}) GiB\)"
        rf"(?:.{{0,80}}estimated maximum model length is (?P<longest>{COUNT}))?",
    ),
    pattern(
        "stored",
        "can be stored in KV cache",
        rf"max seq len \((?P<context>{COUNT})\) is larger than the maximum number of tokens that "
        rf"can be stored in KV cache \((?P<tokens>{COUNT})\)",
    ),
    pattern("blocks", "GPU blocks:", rf"# GPU blocks: (?P<blocks>{COUNT})"),
    pattern(
        "override",
        "num_gpu_blocks_override",
        rf"Overriding num_gpu_blocks=(?P<blocks>{COUNT}) with "
        rf"num_gpu_blocks_override=(?P<override>{COUNT})",
    ),
    pattern(
        "attention block",
        "attention block size to",
        rf"Setting attention block size to (?P<tokens>{COUNT}) tokens",
    ),
    pattern(
        "mamba padding", "mamba page size by", rf"Padding mamba page size by (?P<percent>{SIZE})%"
    ),
    pattern("batch", "max_num_batched_tokens=", rf"max_num_batched_tokens=(?P<tokens>{COUNT})"),
    pattern(
        "engine",
        "LLM engine (v",
        r"LLM engine \(v(?P<version>[0-9][0-9A-Za-z.+]{0,40})\)(?: with config: (?P<config>.*))?",
    ),
)
