"""Lines of llama.cpp's logs that users posted in public: one row a report."""

from kvcalc.engines.log import AGREES, CANNOT, DIFFERS
from tests.engines.public_logs.report import Report

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
NOT_ALLOCATED = "llama_kv_cache_init: failed to allocate buffer for kv cache"
REFUSED = (
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating {} MiB on device {}: cudaMalloc "
    "failed: out of memory"
)
FAILED = "buffer that failed (MiB)"

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
    "a refusal whose next line is another's": Report(
        f"{REFUSED.format('4096.00', 0)}\n{REFUSED.format('4096.00', 1)}\n{NOT_ALLOCATED}",
        "qwen3-32b",
        {(1, FAILED): CANNOT, (2, FAILED): CANNOT},
        why="no line after it says what it is of",
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
}
