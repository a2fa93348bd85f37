"""Lines of vLLM's logs that users posted in public: one row a report."""

from kvcalc.engines.log import AGREES, CANNOT, DIFFERS
from tests.engines.public_logs.report import Report
from tests.shapes import full
from tests.shapes import model as shape

PROFILED = """\
Memory profiling results: total_gpu_memory=23.58GiB initial_memory_usage=15.34GiB \
peak_torch_memory=17.06GiB memory_usage_post_profile=15.35GiB non_torch_memory=0.35GiB \
kv_cache_size=3.81GiB gpu_memory_utilization=0.90"""
STORED = (
    "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that "
    "can be stored in KV cache ({}). Try increasing `gpu_memory_utilization`"
)
REST = "the rest of the memory reserved for KV Cache is only 8.69GiB"
POOL = "tokens of the pool (tokens)"
DISTILLED = shape(*[full()] * 48)
"""DeepSeek-R1-Distill-Qwen-14B."""
DRAFTED = """\
INFO [core.py:109] Initializing a V1 LLM engine (v0.20.1) with config: model='m', \
speculative_config=SpeculativeConfig(method='{}', model='d', num_spec_tokens=5), \
tensor_parallel_size=2, kv_cache_dtype=auto
WARNING [kv_cache_utils.py:1152] Add 2 padding layers, may waste at most 4.17% KV cache memory"""
PADDING = ((2, "padding layers (layers)"), (2, "padding layers of the kind's (%)"))
NOT_FREE = (
    "ValueError: Free memory on device ({} GiB) on startup is less than desired GPU memory "
    "utilization ({} GiB). Decrease GPU memory utilization or reduce GPU memory used by other "
    "processes."
)
ASKED = "requested memory (GiB)"
QUANTISED = """\
non-default args: {'model': 'm', 'max_model_len': 32768, 'quantization': 'fp8'}
INFO [gpu_model_runner.py:5405] Model loading took 8.85 GiB memory and 6.356814 seconds"""

VIDEOS = """\
non-default args: {{'model': 'm', 'max_model_len': 786432, {}'kv_cache_memory_bytes': 32212254720, \
'kv_cache_dtype': 'fp8', 'enable_prefix_caching': False}} LLM engine (v0.27.1)
INFO [gpu_model_runner.py:5405] Model loading took {} GiB memory and 351.055911 seconds
INFO [interface.py:911] Setting attention block size to 1568 tokens to ensure that attention page \
size is >= mamba page size.
INFO [kv_cache_utils.py:2235] GPU KV cache size: {} tokens"""
STRETCHED = (
    "'hf_overrides': {'text_config': {'rope_parameters': {'mrope_section': [11, 11, 10], "
    "'rope_type': 'yarn', 'factor': 3.0, 'original_max_position_embeddings': 262144}}}, "
)
HYBRID_POOL = {
    (3, "attention block size (tokens)"): AGREES,
    (4, "GPU KV cache size (tokens)"): AGREES,
}

REPORTS = {
    "vllm-project/tpu-inference#223, quoted in lines of some 80 letters": Report(
        "ValueError: To serve at least one request with the models's max seq len (131072),\n"
        "(16.00 GiB KV cache is needed, which is larger than the available KV cache memory\n"
        "(0.71 GiB). Based on the available memory, the estimated maximum model length is\n5632.",
        "llama-3.1-8b",
        {
            (1, "KV cache needed (GiB)"): AGREES,
            (1, "estimated maximum model length (tokens)"): AGREES,
        },
        {"block_size": 512},
    ),
    "vllm-project/vllm#10517, a pool of V0 before 0.7, posted without its #": Report(
        f"{PROFILED}\nGPU blocks: 1952, # CPU blocks: 2048\n"
        "Maximum concurrency for 20000 tokens per request: 1.56x",
        "llama-3.1-8b",
        {(2, "blocks (blocks)"): AGREES, (3, "maximum concurrency (x)"): AGREES},
        why="3.81 GiB / 2,097,152 B a block",
    ),
    "vllm-project/vllm#13061, tokens of the least of two ranks": Report(
        f"{REST}\n{STORED.format(81536)}",
        DISTILLED,
        {(2, POOL): DIFFERS},
        {"tensor_parallel_size": 2},
        why="the pool follows the least",
    ),
    "the same of one rank": Report(
        f"{REST}\n{STORED.format(94912)}",
        DISTILLED,
        {(2, POOL): AGREES},
        {"tensor_parallel_size": 2},
        why="8.69 GiB / 1,572,864 B a block of 16 tokens",
    ),
    "the same of an unknown model": Report(
        f"{REST}\n{STORED.format(81536)}", None, {(2, POOL): CANNOT}, why="give --model"
    ),
    "the same without a memory": Report(
        STORED.format(81536), DISTILLED, {(1, POOL): CANNOT}, why="memory is missing"
    ),
    "noonghunna/club-3090#96, a draft whose layers are not counted": Report(
        DRAFTED.format("dflash"),
        "qwen3.5-27b",
        dict.fromkeys(PADDING, CANNOT),
        why="a draft of the method 'dflash' has layers of its own",
    ),
    "the same where the user says that there is none": Report(
        DRAFTED.format("dflash"),
        "qwen3.5-27b",
        dict.fromkeys(PADDING, DIFFERS),
        {"speculative_method": "none"},
    ),
    "the same of a cache type that vllm does not have": Report(
        DRAFTED.format("ngram").replace("=auto", "=q4_fork"),
        "qwen3.5-27b",
        dict.fromkeys(PADDING, CANNOT),
        why="vLLM's element type 'q4_fork' is unknown",
    ),
    "a pool of V0 whose memory is given in bytes": Report(
        STORED.format(50_000),
        "qwen3-8b",
        {(1, "tokens of the pool (tokens)"): DIFFERS},
        {"kv_cache_memory_bytes": 9_000_000_000},
        why="9,000,000,000 B / 2,359,296 B a block of 16 tokens: off by -11,024, -18.1%",
    ),
    "ovg-project/kvcached#110, a share of a memory that others use": Report(
        NOT_FREE.format("67.24/79.25", "0.9, 71.33"), None, {(1, ASKED): AGREES}, why="0.9 x 79.25"
    ),
    "the same of a device by name": Report(
        NOT_FREE.format("12.18/23.56", "0.92, 21.67").replace("device", "device cuda:0"),
        None,
        {(1, ASKED): AGREES},
    ),
    "the same misprinted": Report(
        NOT_FREE.format("12.18/23.56", "0.92, 21.69"), None, {(1, ASKED): DIFFERS}, why="+0.01"
    ),
    "weights that vLLM's log calls quantised": Report(
        QUANTISED, "qwen3-8b", {(2, "weights (GiB)"): CANNOT}, {"gpu": "h100"}, why="('fp8')"
    ),
    "the same of none": Report(
        QUANTISED.replace("'fp8'", "None").replace("8.85", "15.27"),
        "qwen3-8b",
        {(2, "weights (GiB)"): AGREES},
        {"gpu": "h100"},
    ),
    "a start of Qwen3.6-27B on 0.27.1, whose table of positions is for videos": Report(
        VIDEOS.format("", "51.1", "974,864"),
        "qwen3.5-27b",
        {(2, "weights (GiB)"): AGREES, **HYBRID_POOL},
        {"gpu": "h100"},
    ),
    "a start of Qwen3.8-27B on 0.27.1 whose positions are stretched on the command line": Report(
        VIDEOS.format(STRETCHED, "51.35", "974,864"),
        "qwen3.5-27b",
        {(2, "weights (GiB)"): CANNOT, **HYBRID_POOL},
        {"gpu": "gb10"},
        why="overrides 'rope_parameters' of the model's file",
    ),
    "the same by the flag of older releases": Report(
        VIDEOS.format("'rope_scaling': {'type': 'yarn', 'factor': 3.0}, ", "51.35", "974,864"),
        "qwen3.5-27b",
        {(2, "weights (GiB)"): CANNOT, **HYBRID_POOL},
        {"gpu": "gb10"},
        why="overrides 'rope_scaling' of the model's file",
    ),
    "the same with fewer layers": Report(
        VIDEOS.format("'hf_overrides': {'num_hidden_layers': 4}, ", "3.1", "9,748,640"),
        "qwen3.5-27b",
        {**HYBRID_POOL, (2, "weights (GiB)"): CANNOT, (4, "GPU KV cache size (tokens)"): CANNOT},
        {"gpu": "gb10"},
        why="overrides 'num_hidden_layers' of the model's file",
    ),
}
