"""Lines of SGLang's logs that users posted in public: one row a report."""

from kvcalc.engines.log import AGREES, CANNOT, DIFFERS
from tests.engines.public_logs.report import Report
from tests.shapes import full
from tests.shapes import model as shape

MIMO = """\
[2026-01-31 13:50:39 TP2] Use sliding window memory pool. full_layer_tokens=375360, \
swa_layer_tokens=300288
[2026-01-31 13:50:39 TP1] KV Cache is allocated. #tokens: 300288, K size: 8.38 GB, \
V size: 5.59 GB"""
WINDOWED = {(1, "swa_layer_tokens (tokens)"): AGREES, (2, "K size (GiB)"): AGREES}
LOADED = """\
server_args=ServerArgs(model_path='m', context_length=32768, mem_fraction_static={})
Load weight begin. avail mem=30.06 GB
Load weight end. elapsed=269.29 s, type=Glm4MoeLiteForCausalLM, avail mem=0.00 GB, mem usage=30.06 \
GB."""
DRAFTS_POOL = """\
Load weight end. elapsed=9.3 s, type=X, avail mem={free} GB, mem usage=0.50 GB.
KV Cache is allocated. dtype: torch.bfloat16, #tokens: 1048575, K size: 2.00 GB, V size: 2.00 GB
Memory pool end. avail mem={left} GB
KV Cache is allocated. dtype: torch.bfloat16, #tokens: 1048575, K size: 1.25 GB, V size: 1.25 GB
Memory pool end. avail mem={rest} GB
max_total_num_tokens=1048575, max_running_requests=4096, context_len=1024"""
OWN_POOL = {(2, "K size (GiB)"): AGREES, (2, "V size (GiB)"): AGREES}
AFTER, AGAIN = ((line, "avail mem after the pools (GiB)") for line in (3, 5))
NO_ROOM = """\
ValueError: Loaded weights leave no GPU memory for the KV cache under --mem-fraction-static=0.85. \
Raise --mem-fraction-static above {0} (minimum viable = 1 - available/pre = {0}). If using \
speculative decoding, draft weights are now counted."""
LEFT = (4, "memory left for the pools (GiB)")
VIABLE = (4, "minimum viable mem_fraction_static")
USAGE = "weights, mem usage (GiB)"
SLOTS = (
    "RuntimeError: Not enough GPU memory for hybrid (mamba/linear-attention) state cache. Computed "
    "max_mamba_cache_size=-3 (total_rest_memory=-0.23 GB, mamba_cache_per_req={} MB). Try: (1)"
)
FEW_SLOTS = (
    "RuntimeError: Hybrid (mamba/linear-attention) state cache is too small to serve any requests. "
    "max_mamba_cache_size=2, mamba_ratio=5, resulting max_num_reqs=0. Try: (1)"
)
FULL_LAYERS = shape(full())
COPY = "pool in main memory (GB)"
TOKENS_OF_ALL = "max_total_num_tokens=1547424, chunked_prefill_size=8192"
UNCHECKED = {(1, "max_total_num_tokens (tokens)"): CANNOT}
OF_A_CACHE = "Allocating {} GB host memory for hierarchical KV cache."
LIMITS = {
    (1, "weights, mem usage (GiB)"): CANNOT,
    (6, "max_total_num_tokens (tokens)"): AGREES,
    (6, "max_running_requests (requests)"): AGREES,
}

OF_MARCH = """\
[TP0] KV Cache is allocated. #tokens: 46611, K size: 1.42 GB, V size: 1.42 GB
[TP0] max_total_num_tokens=46611, chunked_prefill_size=2048, max_running_requests=2049, \
context_len=131072"""
OF_64_LAYERS = {
    (1, "K size (GiB)"): AGREES,
    (1, "V size (GiB)"): AGREES,
    (2, "max_total_num_tokens (tokens)"): AGREES,
}

REPORTS = {
    "noonghunna/club-3090#1261, a draft's pool beside the model's": Report(
        "[TP0] KV Cache is allocated. dtype: torch.float8_e4m3fn, #tokens: 454112, K size: 3.46 GB,"
        " V size: 3.46 GB\n"
        "[TP0] KV Cache is allocated. dtype: torch.float8_e4m3fn, #tokens: 454112, K size: 1.08 GB,"
        " V size: 1.08 GB",
        "qwen3.5-27b",
        {
            **dict.fromkeys(((1, "K size (GiB)"), (1, "V size (GiB)")), AGREES),
            **dict.fromkeys(((2, "K size (GiB)"), (2, "V size (GiB)")), CANNOT),
        },
        {"tensor_parallel_size": 2},
        why="a draft's",
    ),
    "what is left of 10 GiB after each": Report(
        DRAFTS_POOL.format(free="10.00", left="5.97", rest="3.47"),
        FULL_LAYERS,
        {
            **OWN_POOL,
            **dict.fromkeys(((4, "K size (GiB)"), (4, "V size (GiB)"), AGAIN), CANNOT),
            AFTER: AGREES,
            **LIMITS,
        },
        why="whose layers the log does not tell",
    ),
    "a pool of other tokens": Report(
        "KV Cache is allocated. #tokens: 1048575, K size: 2.00 GB, V size: 2.00 GB\n"
        "KV Cache is allocated. #tokens: 1048574, K size: 1.25 GB, V size: 1.25 GB",
        FULL_LAYERS,
        {
            **dict.fromkeys(((1, "K size (GiB)"), (1, "V size (GiB)")), AGREES),
            **dict.fromkeys(((2, "K size (GiB)"), (2, "V size (GiB)")), DIFFERS),
        },
    ),
    "1,547,424 tokens of 28 layers of Qwen3 in a copy of 2.0 times as many": Report(
        f"{TOKENS_OF_ALL}\n[TP0] {OF_A_CACHE.format('354.94')}",
        shape(*[full()] * 28),
        {**UNCHECKED, (2, COPY): AGREES},
        {"hicache_ratio": "2.0", "hicache_size": "0"},
    ),
    "another ratio": Report(
        f"{TOKENS_OF_ALL}\n[TP0] {OF_A_CACHE.format('354.94')}",
        shape(*[full()] * 28),
        {**UNCHECKED, (2, COPY): DIFFERS},
        {"hicache_ratio": "2.1"},
    ),
    "a ratio that is not said": Report(
        f"{TOKENS_OF_ALL}\n{OF_A_CACHE.format('354.94')}",
        shape(*[full()] * 28),
        {**UNCHECKED, (2, COPY): CANNOT},
        why="hicache_ratio, or hicache_size, are missing",
    ),
    "the line of 0.5.23, which has the tokens": Report(
        "Allocating kv hierarchical KV host pool: 3094912 tokens, 354.95 GB host memory.",
        shape(*[full()] * 28),
        {(1, COPY): AGREES},
    ),
    "a copy of a draft's layers too": Report(
        "Allocating kv hierarchical KV host pool: 3094912 tokens, 354.95 GB host memory, packed "
        "MTP KV layers: target_layers=27, draft_layers=1, total_layers=28.",
        shape(*[full()] * 28),
        {(1, COPY): CANNOT},
        why="or of a draft's",
    ),
    "a copy of states": Report(
        "Allocating 1.94 GB host memory for hierarchical Mamba cache (20 state slots, layout=x).",
        "qwen3.5-27b",
        {(1, COPY): CANNOT},
        why="copies of states",
    ),
    "a copy of a model with states, whose size both share": Report(
        OF_A_CACHE.format("40.00"),
        "qwen3.5-27b",
        {(1, COPY): CANNOT},
        {"hicache_size": "40"},
        why="with several pools",
    ),
    "a copy of a model with a window pool": Report(
        OF_A_CACHE.format("40.00"),
        "gpt-oss-20b",
        {(1, COPY): CANNOT},
        {"hicache_size": "40"},
        why="with several pools",
    ),
    "sgl-project/sglang#14282, --hicache-size 40": Report(
        f"[TP1] {OF_A_CACHE.format('40.00')}",
        "llama-3.1-8b",
        {(1, COPY): AGREES},
        {"hicache_size": "40", "tensor_parallel_size": 4},
    ),
    "sgl-project/sglang#8102, a copy that did not fit": Report(
        "ValueError: Not enough host memory available. Requesting 40.00 GB but only have 44.87 GB "
        "free. Please reduce the size of the hierarchical cache.",
        "llama-3.1-8b",
        {(1, COPY): DIFFERS},
        {"hicache_size": "41"},
    ),
    "a copy of no model": Report(OF_A_CACHE.format("40.00"), None, {(1, COPY): CANNOT}),
    "a rank's pool of as many tokens in more bytes": Report(
        "[TP0] KV Cache is allocated. #tokens: 1024, K size: 0.06 GB, V size: 0.06 GB\n"
        "[TP1] KV Cache is allocated. #tokens: 1024, K size: 9.99 GB, V size: 9.99 GB",
        "llama-3.1-8b",
        {
            **dict.fromkeys(((1, "K size (GiB)"), (1, "V size (GiB)")), AGREES),
            **dict.fromkeys(((2, "K size (GiB)"), (2, "V size (GiB)")), DIFFERS),
        },
    ),
    "ranks that the user gives wrong": Report(
        "KV Cache is allocated. #tokens: 10240, K size: 0.63 GB, V size: 0.63 GB",
        "llama-3.1-8b",
        dict.fromkeys(((1, "K size (GiB)"), (1, "V size (GiB)")), DIFFERS),
        {"tensor_parallel_size": 2},
        why="tensor_parallel_size=1 would explain it",
    ),
    "a ratio of copies that is no number": Report(
        "server_args=ServerArgs(model_path='m', hicache_ratio='twice')\n"
        "KV Cache is allocated. #tokens: 1024, K size: 0.06 GB, V size: 0.06 GB\n"
        f"{OF_A_CACHE.format('40.00')}",
        "llama-3.1-8b",
        {(2, "K size (GiB)"): AGREES, (2, "V size (GiB)"): AGREES, (3, COPY): CANNOT},
        why="hicache_ratio: found 'twice'",
    ),
    "a window's ratio that is no number": Report(
        "server_args=ServerArgs(model_path='m', swa_full_tokens_ratio='twice')\n"
        "Use sliding window memory pool. full_layer_tokens=1000, swa_layer_tokens=800",
        None,
        {(2, "swa_layer_tokens (tokens)"): CANNOT},
        why="swa_full_tokens_ratio: found 'twice'",
    ),
    "sgl-project/sglang#18039, pages that no line names": Report(
        MIMO,
        "mimo-v2-flash",
        {**WINDOWED, (2, "V size (GiB)"): DIFFERS},
        {"tensor_parallel_size": 4},
        why="page_size=64 would explain it",
    ),
    "the same with its pages": Report(
        MIMO,
        "mimo-v2-flash",
        {**WINDOWED, (2, "V size (GiB)"): AGREES},
        {"tensor_parallel_size": 4, "page_size": 64},
    ),
    "a start of GLM-4.7-Flash on a RTX 5090 in bfloat16": Report(
        f"{LOADED.format(0.85)}\n{NO_ROOM.format('1.0000')}",
        None,
        {(3, USAGE): CANNOT, LEFT: AGREES, VIABLE: AGREES},
        why="1 - 0 / 30.06 GiB",
    ),
    "the same with another share": Report(
        f"{LOADED.format(0.85)}\n{NO_ROOM.format('0.9123')}",
        None,
        {(3, USAGE): CANNOT, LEFT: AGREES, VIABLE: DIFFERS},
    ),
    "the same where weights leave some": Report(
        f"{LOADED.format(0.85).replace('avail mem=0.00', 'avail mem=9.00')}"
        f"\n{NO_ROOM.format('0.7006')}",
        None,
        {(3, USAGE): CANNOT, LEFT: CANNOT},
        why="recurrent states, images and what graphs compute in",
    ),
    "the same of the error alone": Report(
        NO_ROOM.format("1.0000"), None, {(1, LEFT[1]): CANNOT}, why='"Load weight begin"'
    ),
    # 36 delta nets of 8,192 x 3 bfloat16 columns and a state of 32 x 128 x 128 float32.
    "Qwen3-Next without room for a slot": Report(
        SLOTS.format(73.69), "qwen3-next-80b-a3b", {(1, "mamba_cache_per_req (MiB)"): AGREES}
    ),
    "the same on two ranks": Report(
        SLOTS.format(73.69),
        "qwen3-next-80b-a3b",
        {(1, "mamba_cache_per_req (MiB)"): DIFFERS},
        {"tensor_parallel_size": 2},
        why="off by +36.85",
    ),
    "the same of no model": Report(
        SLOTS.format(73.69), None, {(1, "mamba_cache_per_req (MiB)"): CANNOT}, why="give --model"
    ),
    "Qwen3-Next with too few slots": Report(
        FEW_SLOTS,
        "qwen3-next-80b-a3b",
        {(1, "max_running_requests (requests)"): AGREES, (1, "state slots per request"): AGREES},
    ),
    "weights that SGLang's log calls quantised": Report(
        "Load weight end. elapsed=1.97 s, type=Qwen3ForCausalLM, quant=fp8, fmt=e4m3, "
        "avail mem=169.1 GB, mem usage=8.90 GB.",
        "qwen3-8b",
        {(1, USAGE): CANNOT},
        why="quantised ('fp8')",
    ),
    "the same by its arguments": Report(
        "server_args=ServerArgs(model_path='m', quantization='fp8', tp_size=1)\n"
        "Load weight end. type=Qwen3ForCausalLM, avail mem=169.1 GB, mem usage=8.90 GB.",
        "qwen3-8b",
        {(2, USAGE): CANNOT},
        why="quantised ('fp8')",
    ),
    "Qwen3-8B of bfloat16 on a B200": Report(
        "Load weight end. elapsed=1.97 s, type=Qwen3ForCausalLM, avail mem=162.30 GB, "
        "mem usage=15.28 GB.",
        "qwen3-8b",
        {(1, USAGE): AGREES},
    ),
    "a start of 2025-03 on four GPUs, whose request table has a row more than run": Report(
        OF_MARCH,
        "qwen3-32b",
        {**OF_64_LAYERS, (2, "max_running_requests (requests)"): DIFFERS},
        {"tensor_parallel_size": 4},
        why="off by +1, +0.0%; sglang before 0.4.7 prints one more",
    ),
    "kvcached's pool of addresses, which is not the cache's": Report(
        "[kvcached][INFO] VirtualKV Cache is allocated. #tokens: 248479, K size: 7.99 GB, V size: "
        "7.99 GB\nmax_total_num_tokens=248479",
        None,
        {(2, "max_total_num_tokens (tokens)"): CANNOT},
    ),
}
