"""Lines of logs that users posted in public, and what is said of them: one row a report.

Each figure is the engine's own, as posted; what names a person, a path or a host is left out.
"""

from typing import Any, NamedTuple

import pytest

from kvcalc.engines.log import AGREES, CANNOT, DIFFERS
from kvcalc.errors import RequestError
from kvcalc.model import Model
from tests.each import each
from tests.engines.log_lines import checked, load
from tests.shapes import full
from tests.shapes import model as shape


class Report(NamedTuple):
    """Lines of a log, the model and settings of the report, and the verdicts by line and figure.

    `why` stands in the sentences about them.
    """

    lines: str
    model: str | Model | None
    verdicts: dict[tuple[int, str], str]
    settings: dict[str, Any] = {}  # noqa: RUF012
    why: str = ""


OLD_BUFFERS = ((2, "KV buffer size (MiB)"), (3, "KV self size (MiB)"))
TABLE = """\
llama_memory_breakdown_print: | memory breakdown [MiB] | total   free     self   model   context   \
compute    unaccounted |
llama_memory_breakdown_print: |   - CUDA0 (RTX 5090)   | 32606 =  912 + (29598 = 26349 +    2647 + \
    601) +        2095 |
llama_memory_breakdown_print: |   - Host               |                 31144 = 30940 +       0 + \
    203                |"""
FITTED = """\
common_memory_breakdown_print: |   - CUDA0 (RTX 5090)   | 32111 = 31605 + (18058 = 16386 +    1024 \
+     648) +      -17552 |
common_memory_breakdown_print: |   - Host               |                   1234 =   682 +       0 \
+     552                |
common_params_fit_impl: getting device memory data for initial parameters:
common_memory_breakdown_print: |   - CUDA0 (RTX 5090)   | 32111 = 31153 + (33975 = 16386 +   16832 \
+     756) +      -33017 |
common_memory_breakdown_print: |   - Host               |                   1234 =   682 +       0 \
+     552                |
common_params_fit_impl: context size reduced from 262144 to 188672 -> need 4600 MiB less memory"""
SELF = "llama_new_context_with_model: KV self size  =  512.00 MiB"
CONTEXT = "context of all devices (MiB)"
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
MIMO = """\
[2026-01-31 13:50:39 TP2] Use sliding window memory pool. full_layer_tokens=375360, \
swa_layer_tokens=300288
[2026-01-31 13:50:39 TP1] KV Cache is allocated. #tokens: 300288, K size: 8.38 GB, \
V size: 5.59 GB"""
WINDOWED = {(1, "swa_layer_tokens (tokens)"): AGREES, (2, "K size (GiB)"): AGREES}
DRAFTED = """\
INFO [core.py:109] Initializing a V1 LLM engine (v0.20.1) with config: model='m', \
speculative_config=SpeculativeConfig(method='{}', model='d', num_spec_tokens=5), \
tensor_parallel_size=2, kv_cache_dtype=auto
WARNING [kv_cache_utils.py:1152] Add 2 padding layers, may waste at most 4.17% KV cache memory"""
PADDING = ((2, "padding layers (layers)"), (2, "padding layers of the kind's (%)"))
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
NOT_FREE = (
    "ValueError: Free memory on device ({} GiB) on startup is less than desired GPU memory "
    "utilization ({} GiB). Decrease GPU memory utilization or reduce GPU memory used by other "
    "processes."
)
ASKED = "requested memory (GiB)"
SLOTS = (
    "RuntimeError: Not enough GPU memory for hybrid (mamba/linear-attention) state cache. Computed "
    "max_mamba_cache_size=-3 (total_rest_memory=-0.23 GB, mamba_cache_per_req={} MB). Try: (1)"
)
FEW_SLOTS = (
    "RuntimeError: Hybrid (mamba/linear-attention) state cache is too small to serve any requests. "
    "max_mamba_cache_size=2, mamba_ratio=5, resulting max_num_reqs=0. Try: (1)"
)
QUANTISED = """\
non-default args: {'model': 'm', 'max_model_len': 32768, 'quantization': 'fp8'}
INFO [gpu_model_runner.py:5405] Model loading took 8.85 GiB memory and 6.356814 seconds"""
NOT_ALLOCATED = "llama_kv_cache_init: failed to allocate buffer for kv cache"
REFUSED = (
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating {} MiB on device {}: cudaMalloc "
    "failed: out of memory"
)
FAILED = "buffer that failed (MiB)"
ALLOCATED = "[TensorRT-LLM][INFO] Allocate 69524783104 bytes for k/v cache."
USING = "[TensorRT-LLM][INFO] Using {} tokens in paged KV cache."

FULL_LAYERS = shape(full())
LLAMA_2 = shape(*[full(kv_heads=32)] * 32)
COPY = "pool in main memory (GB)"
TOKENS_OF_ALL = "max_total_num_tokens=1547424, chunked_prefill_size=8192"
UNCHECKED = {(1, "max_total_num_tokens (tokens)"): CANNOT}
OF_A_CACHE = "Allocating {} GB host memory for hierarchical KV cache."
LIMITS = {
    (1, "weights, mem usage (GiB)"): CANNOT,
    (6, "max_total_num_tokens (tokens)"): AGREES,
    (6, "max_running_requests (requests)"): AGREES,
}

REPORTS = {
    "ggml-org/llama.cpp#11337, the cells in a line of their own": Report(
        "llama_kv_cache_init: kv_size = 32768, offload = 1, type_k = 'q8_0', type_v = 'q8_0', "
        "n_layer = 64, can_shift = 1\n"
        "llama_kv_cache_init:      ROCm0 KV buffer size =  4352.00 MiB\n"
        "llama_new_context_with_model: KV self size  = 4352.00 MiB, K (q8_0): 2176.00 MiB, "
        "V (q8_0): 2176.00 MiB\n"
        "llama_new_context_with_model:  ROCm_Host compute buffer size =    74.01 MiB",
        "qwen3-32b",
        {
            **dict.fromkeys((*OLD_BUFFERS, (3, "K (MiB)"), (3, "V (MiB)")), AGREES),
            (4, "ROCm_Host compute buffer size (MiB)"): AGREES,
        },
    ),
    "keys and values of two types, of 32 layers of 1,024 elements": Report(
        "llama_kv_cache_init: kv_size = 8192, offload = 1, type_k = 'q8_0', type_v = 'f16', "
        "n_layer = 32, can_shift = 1\n"
        "llama_kv_cache_init:      CUDA0 KV buffer size =   784.00 MiB\n"
        "llama_new_context_with_model: KV self size  =  784.00 MiB, K (q8_0):  272.00 MiB, "
        "V (f16):  512.00 MiB",
        "llama-3.1-8b",
        dict.fromkeys((*OLD_BUFFERS, (3, "K (MiB)"), (3, "V (MiB)")), AGREES),
    ),
    "the same, of a buffer whose context is not known": Report(
        "llama_new_context_with_model:  ROCm_Host compute buffer size =    74.01 MiB",
        "qwen3-32b",
        {(1, "ROCm_Host compute buffer size (MiB)"): CANNOT},
        why="the context (n_ctx) is missing",
    ),
    "ikawrakow/ik_llama.cpp#259, latents whose rows CUDA pads, and graphs of its own": Report(
        "llama_new_context_with_model: n_ctx      = 32768\n"
        "llama_kv_cache_init:      CUDA0 KV buffer size =  1166.65 MiB\n"
        "llama_new_context_with_model: KV self size  = 1166.62 MiB, c^KV (q8_0): 1166.62 MiB, "
        "kv^T: not used\n"
        "llama_new_context_with_model:      CUDA0 compute buffer size =  8470.00 MiB",
        "deepseek-v3",
        {
            **dict.fromkeys((*OLD_BUFFERS, (3, "c^KV (MiB)")), AGREES),
            (4, "CUDA0 compute buffer size (MiB)"): CANNOT,
        },
        why="ik_llama.cpp",
    ),
    # Of DeepSeek-V2-Lite, which has 27 layers of 61.
    "ikawrakow/ik_llama.cpp#240, latents of a type of its own": Report(
        "llama_new_context_with_model: n_ctx      = 65536\n"
        "llama_new_context_with_model: KV self size  = 2713.50 MiB, c^KV (q8_KV):  985.50 MiB, "
        "kv^T (f16): 1728.00 MiB",
        "deepseek-v3",
        dict.fromkeys(
            ((2, of) for of in ("KV self size (MiB)", "c^KV (MiB)", "kv^T (MiB)")), CANNOT
        ),
        why="no cache type 'q8_KV', so the log is of a fork",
    ),
    "the same in f16 on DeepSeek-V3, whose transposed latents are 512 x 2 bytes": Report(
        "llama_new_context_with_model: n_ctx      = 65536\n"
        "llama_new_context_with_model: KV self size  = 8296.00 MiB, c^KV (f16): 4392.00 MiB, "
        "kv^T (f16): 3904.00 MiB",
        "deepseek-v3",
        dict.fromkeys(
            ((2, of) for of in ("KV self size (MiB)", "c^KV (MiB)", "kv^T (MiB)")), AGREES
        ),
    ),
    "ikawrakow/ik_llama.cpp#749, transposed latents of no bytes": Report(
        "llama_new_context_with_model: n_ctx      = 15008\n"
        "llama_new_context_with_model: KV self size  = 1005.79 MiB, c^KV (f16): 1005.79 MiB, "
        "kv^T (f16):    0.00 MiB",
        "deepseek-v3",
        dict.fromkeys(
            ((2, of) for of in ("KV self size (MiB)", "c^KV (MiB)", "kv^T (MiB)")), AGREES
        ),
    ),
    "ikawrakow/ik_llama.cpp#271, llama.cpp of a file without MLA's sizes": Report(
        "llama_context: n_ctx         = 2048\n"
        "llama_context: KV self size  = 9760.00 MiB, K (f16): 5856.00 MiB, V (f16): 3904.00 MiB",
        "deepseek-v3",
        dict.fromkeys(((2, of) for of in ("KV self size (MiB)", "K (MiB)", "V (MiB)")), AGREES),
        why="each head's K and V",
    ),
    "the same of no size that heads give either": Report(
        "llama_context: n_ctx         = 2048\n"
        "llama_context: KV self size  = 9761.00 MiB, K (f16): 5857.00 MiB, V (f16): 3904.50 MiB",
        "deepseek-v3",
        dict.fromkeys(((2, of) for of in ("KV self size (MiB)", "K (MiB)", "V (MiB)")), DIFFERS),
        why="a V of the latent too",
    ),
    "ggml-org/llama.cpp#8101, main memory that failed, aligned to 32 bytes": Report(
        "llama_new_context_with_model: n_ctx      = 1048576\n"
        "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size "
        "137438953504\n"
        f"{NOT_ALLOCATED}",
        "llama-3.1-8b",
        {(2, "buffer that failed (bytes)"): AGREES},
    ),
    "Vulkan's, of which one line alone speaks": Report(
        "llama_context: n_ctx         = 1048576\n"
        "ggml_vulkan: Device memory allocation of size 137438953504 failed.\n"
        f"{NOT_ALLOCATED}",
        "llama-3.1-8b",
        {(2, "buffer that failed (bytes)"): DIFFERS},
    ),
    "gpustack/gpustack#1269, the fourth device's share": Report(
        "llama_init_from_model: n_ctx = 8192\n"
        "llama_kv_cache_init:      CUDA2 KV buffer size =  3840.00 MiB\n"
        f"{REFUSED.format('4480.00', 3)}\n{NOT_ALLOCATED}",
        "deepseek-v3",
        {(2, "KV buffer size (MiB)"): CANNOT, (3, FAILED): CANNOT},
    ),
    "a share whose layers are said": Report(
        "llama_context: n_ctx         = 32768\n"
        "llama_model_load: using device CUDA0 (RTX 3060) - 11000 MiB free\n"
        "load_tensors: CUDA0 model buffer size =  9400.00 MiB\n"
        f"{REFUSED.format('3968.00', 0)}\n{NOT_ALLOCATED}",
        "qwen3-32b",
        {(3, "CUDA0 model buffer size (MiB)"): CANNOT, (4, FAILED): AGREES},
        {"n_gpu_layers": 32},
    ),
    "the same, less than they take": Report(
        f"llama_context: n_ctx = 32768\n{REFUSED.format('3900.00', 0)}\n{NOT_ALLOCATED}",
        "qwen3-32b",
        {(2, FAILED): DIFFERS},
        {"n_gpu_layers": 32},
    ),
    "the same, of layers that nothing says": Report(
        f"llama_context: n_ctx = 32768\n{REFUSED.format('4096.00', 0)}\n{NOT_ALLOCATED}",
        "qwen3-32b",
        {(2, FAILED): CANNOT},
        why="which of them this device holds is not said",
    ),
    "ikawrakow/ik_llama.cpp#235, a graph's buffer that two lines tell of": Report(
        f"{REFUSED.format('8900.01', 0)}\n"
        "ggml_gallocr_reserve_n: failed to allocate CUDA0 buffer of size 9332334592\n"
        "llama_new_context_with_model: failed to allocate compute buffers",
        "deepseek-v3",
        {(2, "buffer that failed (bytes)"): CANNOT},
        why="what a graph computes in",
    ),
    "ggml-org/llama.cpp#20431, weights": Report(
        f"{REFUSED.format('144817.04', 0)}\n"
        "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
        "deepseek-v3",
        {(1, FAILED): CANNOT},
        why="the weights",
    ),
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
    "a log that ends there": Report(
        REFUSED.format("4096.00", 0),
        "qwen3-32b",
        {(1, FAILED): CANNOT},
        why="no line after it",
    ),
    "a table of Qwen3-Next with -c 100096": Report(
        TABLE,
        "qwen3-next-80b-a3b",
        {(3, CONTEXT): AGREES},
        {"n_ctx": 100_096, "sequences": 4, "kv_unified": True},
    ),
    "the same without its slots": Report(
        TABLE,
        "qwen3-next-80b-a3b",
        {(3, CONTEXT): DIFFERS},
        {"context": 100_096},
        why="4 sequences in one buffer (kv_unified) would explain it",
    ),
    "the same of a quantised cache": Report(
        TABLE.replace("2647", "1321"),
        "qwen3-next-80b-a3b",
        {(3, CONTEXT): DIFFERS},
        {"context": 100_096},
        why="kv_cache_dtype=q8_0 would explain it",
    ),
    "the same without its context": Report(
        TABLE, "qwen3-next-80b-a3b", {(3, CONTEXT): CANNOT}, why="give --set context=N"
    ),
    "the same without a model": Report(TABLE, None, {(3, CONTEXT): CANNOT}, why="give --model"),
    "the same beside a cache of a fork's type": Report(
        "llama_kv_cache: size = 8.00 MiB ( 4096 cells,  12 layers,  1/1 seqs), K (turbo3): "
        f"4.00 MiB, V (turbo3): 4.00 MiB\n{TABLE}",
        "qwen3-next-80b-a3b",
        {
            **{(1, of): CANNOT for of in ("cache size (MiB)", "K (MiB)", "V (MiB)")},
            (4, CONTEXT): CANNOT,
        },
        {"context": 100_096},
        why="no cache type 'turbo3'",
    ),
    "ggml-org/llama.cpp#25465, tables of contexts that --fit tries": Report(
        FITTED, "qwen3.5-27b", {(2, CONTEXT): CANNOT, (5, CONTEXT): CANNOT}, why="--fit tried"
    ),
    # 188,672 tokens of 65,536 bytes and one state of 149.62 MiB are 11,941.6 MiB.
    "the same, and the table of the context that it chose": Report(
        f"{FITTED}\n{TABLE.replace('   2647', '  11941')}",
        "qwen3.5-27b",
        {(2, CONTEXT): CANNOT, (5, CONTEXT): CANNOT, (9, CONTEXT): AGREES},
        why="188,672 tokens",
    ),
    "the same of two devices, each rounded down": Report(
        f"{FITTED}\n{TABLE.replace('   2647', '   5970')}\n"
        + TABLE.splitlines()[1].replace("CUDA0", "CUDA1").replace("   2647", "   5970"),
        "qwen3.5-27b",
        {(2, CONTEXT): CANNOT, (5, CONTEXT): CANNOT, (10, CONTEXT): AGREES},
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
    "a pool of V0 whose memory is given in bytes": Report(
        STORED.format(50_000),
        "qwen3-8b",
        {(1, "tokens of the pool (tokens)"): DIFFERS},
        {"kv_cache_memory_bytes": 9_000_000_000},
        why="9,000,000,000 B / 2,359,296 B a block of 16 tokens: off by -11,024, -18.1%",
    ),
    "a refusal whose next line is another's": Report(
        f"{REFUSED.format('4096.00', 0)}\n{REFUSED.format('4096.00', 1)}\n{NOT_ALLOCATED}",
        "qwen3-32b",
        {(1, FAILED): CANNOT, (2, FAILED): CANNOT},
        why="no line after it says what it is of",
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
    "more states to take back than llama.cpp has": Report(
        f"llama_context: n_ctx = 4096\nllama_context: n_rs_seq = 99999\n{TABLE}\n{SELF}",
        "llama-3.1-8b",
        {(5, CONTEXT): CANNOT, (6, "KV self size (MiB)"): AGREES},
        why="n_rs_seq: found 99999",
    ),
    "a micro-batch larger than any": Report(
        f"llama_context: n_ctx = 4096\nllama_context: n_ubatch = {'9' * 15}\n{SELF}\n"
        "sched_reserve: CUDA0 compute buffer size = 100.00 MiB\n"
        "load_tensors: CUDA0 model buffer size = 100.00 MiB",
        "llama-3.1-8b",
        {
            (3, "KV self size (MiB)"): CANNOT,
            (4, "CUDA0 compute buffer size (MiB)"): CANNOT,
            (5, "CUDA0 model buffer size (MiB)"): CANNOT,
        },
        why="ubatch_size: found 999999999999999",
    ),
    "a context of no tokens and no sequences": Report(
        f"llama_context: n_ctx = 0\nllama_context: n_seq_max = 0\n{TABLE}",
        "llama-3.1-8b",
        {(5, CONTEXT): CANNOT},
        why="the context (n_ctx) is missing",
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
    "weights that vLLM's log calls quantised": Report(
        QUANTISED, "qwen3-8b", {(2, "weights (GiB)"): CANNOT}, {"gpu": "h100"}, why="('fp8')"
    ),
    "the same of none": Report(
        QUANTISED.replace("'fp8'", "None").replace("8.85", "15.27"),
        "qwen3-8b",
        {(2, "weights (GiB)"): AGREES},
        {"gpu": "h100"},
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
    # Of a 7B model that the report does not name: 524,288 bytes a token, as Llama 2 7B's.
    "NVIDIA/TensorRT-LLM#1400, bytes of the pool": Report(
        f"{ALLOCATED}\n{USING.format(132_608)}",
        LLAMA_2,
        {(1, "allocated (bytes)"): AGREES},
    ),
    "the same of tokens that fill no block": Report(
        f"{ALLOCATED}\n{USING.format(132_500)}",
        LLAMA_2,
        {(1, "allocated (bytes)"): AGREES},
        why="in whole blocks",
    ),
    "the same in smaller blocks, as asked for": Report(
        f"{ALLOCATED}\n{USING.format(132_500)}",
        LLAMA_2,
        {(1, "allocated (bytes)"): DIFFERS},
        {"tokens_per_block": 16},
    ),
    "the same of fewer tokens": Report(
        f"{ALLOCATED}\n{USING.format(125_000)}",
        LLAMA_2,
        {(1, "allocated (bytes)"): DIFFERS},
    ),
    "the same without its tokens": Report(
        ALLOCATED, LLAMA_2, {(1, "allocated (bytes)"): CANNOT}, why="tokens are missing"
    ),
    "the same without the model": Report(
        ALLOCATED, None, {(1, "allocated (bytes)"): CANNOT}, why="give --model"
    ),
}


@each(("name", "report"), REPORTS.items())
def test_what_is_said_of_a_posted_log(name: str, report: Report) -> None:
    model = load(report.model) if isinstance(report.model, str) else report.model
    rows = checked(report.lines.splitlines(), model, report.settings)
    assert {(row.line, row.figure): row.verdict for row in rows} == report.verdicts, rows
    assert report.why in " ".join(row.why for row in rows), rows


@each("setting", ["kv_cache_dtype", "block_size"])
def test_a_setting_that_the_user_gives_wrong_is_refused(setting: str) -> None:
    with pytest.raises(RequestError, match="q4_fork"):
        checked(DRAFTED.format("ngram").splitlines(), load("qwen3.5-27b"), {setting: "q4_fork"})


@each(
    ("free", "flags"),
    [
        ("67.24/79.25", "0.84"),
        ("67.38/79.25", "0.85"),
        ("67.37/79.25", "0.84"),
        ("0.79/79.25", None),
    ],
)
def test_the_largest_share_that_is_free_is_named(free: str, flags: str | None) -> None:
    """.85 of 79.255 GiB, which 79.25 may be, are 67.367: 67.37 may be 67.365, and 67.38 is more."""
    (row,) = checked([NOT_FREE.format(free, "0.9, 71.33")])
    named = [] if flags is None else [f"--gpu-memory-utilization {flags}"]
    assert [remedy.flags for remedy in row.remedies] == named


@each("setting", ["hicache_ratio", "hicache_size"])
def test_what_sizes_a_copy_is_a_number(setting: str) -> None:
    with pytest.raises(RequestError, match=f"{setting}: found 'twice', expected a number of"):
        checked([OF_A_CACHE.format("40.00")], load("llama-3.1-8b"), {setting: "twice"})
