"""Lines of logs that users posted in public, and what is said of them: one row a report.

Each figure is the engine's own, as posted; what names a person, a path or a host is left out.
"""

from typing import Any, NamedTuple

from kvcalc.engines.log import AGREES, CANNOT, DIFFERS
from tests.each import each
from tests.engines.log_lines import checked, load


class Report(NamedTuple):
    """Lines of a log, the model and settings of the report, and the verdicts by line and figure.

    `why` stands in the sentences about them.
    """

    lines: str
    model: str | None
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
CONTEXT = "context of all devices (MiB)"

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
    "the same, of a buffer whose context is not known": Report(
        "llama_new_context_with_model:  ROCm_Host compute buffer size =    74.01 MiB",
        "qwen3-32b",
        {(1, "ROCm_Host compute buffer size (MiB)"): CANNOT},
        why="the context is missing",
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
}


@each(("name", "report"), REPORTS.items())
def test_what_is_said_of_a_posted_log(name: str, report: Report) -> None:
    model = load(report.model) if report.model else None
    rows = checked(report.lines.splitlines(), model, report.settings)
    assert {(row.line, row.figure): row.verdict for row in rows} == report.verdicts, rows
    assert report.why in " ".join(row.why for row in rows), rows
