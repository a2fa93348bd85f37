"""Start-up logs that users posted, checked against our figures."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked, read, verdicts
from kvcalc.errors import KvcalcError
from kvcalc.model import Model
from kvcalc.readers import load
from tests.answers.posted_logs import CONFIGS, full, layers, model_of, settings_of
from tests.each import each

ORACLES = Path("tests/oracles/logs")
CASES = json.loads((ORACLES / "start_up.json").read_text())["logs"]
NOT_SETTLED = json.loads((ORACLES / "not_settled.json").read_text())["logs"]
VERBATIM = [case for case in CASES if case["verbatim"]]


def checked(
    lines: Sequence[str], model: Model | None = None, settings: Mapping[str, Any] | None = None
) -> list[Checked]:
    return verdicts(read(io.BytesIO("\n".join(lines).encode()), "log"), model, settings)


def named(case: Mapping[str, Any]) -> str:
    return f"{case['engine']}: {case['model_as_named']}"


@each("case", VERBATIM, ids=named)
def test_every_figure_of_a_verbatim_log_agrees(case: Mapping[str, Any]) -> None:
    rows = checked(case["lines"], model_of(case), settings_of(case))
    others = [row for row in rows if row.verdict != AGREES]
    # Meta() prints one device's share, of which nothing says how many there are.
    assert [row for row in others if "Meta()" not in case["lines"][row.line - 1]] == []
    assert len(others) < len(rows)
    printed = {value for row in rows for value in (row.printed, round(row.printed, 2))}
    for figure in case["checks"]:
        assert figure["printed"] in printed, figure


def is_known(case: Mapping[str, Any]) -> bool:
    try:
        return bool(checked(case["lines"]))
    except KvcalcError:
        return False


TURBOMIND = [case for case in CASES if "TurboMind" in case["engine"]]
TOLD = [case for case in CASES if not case["verbatim"] and case not in TURBOMIND]
RETOLD = [case for case in TOLD if is_known(case)]
PROSE = [case for case in TOLD if not is_known(case)]


@each("case", RETOLD, ids=named)
def test_every_figure_that_was_retold_in_an_engines_words_agrees(case: Mapping[str, Any]) -> None:
    rows = checked(case["lines"], model_of(case), settings_of(case))
    others = [row for row in rows if row.verdict != AGREES]
    # Meta() prints one device's share, of which nothing says how many there are.
    assert [row for row in others if "Meta()" not in case["lines"][row.line - 1]] == []
    assert len(others) < len(rows)


@pytest.mark.parametrize(
    "case", [case for case in PROSE if case["engine"] == "llama.cpp"], ids=named
)
def test_llama_cpps_totals_that_were_told_in_prose(case: Mapping[str, Any]) -> None:
    given = case["settings"]
    cost = kvcalc.cost(model_of(case), engine="llama.cpp")
    sequences = given["parallel"]
    (figure,) = case["checks"]
    total = cost(given["ctx"] // sequences, sequences=sequences)
    assert total == figure["printed"] * 2**20


def test_lmdeploys_block_that_was_told_of_another_of_its_engines() -> None:
    """TurboMind's block of 64 tokens is as large as the PyTorch engine's: 8 MiB, 6,214 of them."""
    (case,) = TURBOMIND
    model = layers(full(8, 128), times=32)
    pool = kvcalc.pool(model, "lmdeploy", memory=6214 * 8 * 2**20, context=64)
    assert [figure["printed"] for figure in case["checks"]] == [8.0, 397_696]
    assert pool.figures["bytes_per_block"] == 8 * 2**20
    assert pool.figures["num_gpu_blocks"] * pool.figures["block_size"] == 397_696


LOG_FIGURES = json.loads(Path("tests/oracles/vllm_log_figures.json").read_text())
PRESETS = {
    "K-EXAONE-236B-A23B": "k-exaone-236b-a23b",
    "gpt-oss-20b": "gpt-oss-20b",
    "DeepSeek-V3": "deepseek-v3",
    "Qwen3.5-27B": "tests/oracles/configs/Qwen--Qwen3.5-27B.json",
}


def test_what_vllm_itself_would_print_agrees() -> None:
    """The log lines and errors that vLLM 0.33.0's own planning wrote, beside the memory given."""
    verdicts = []
    for case in LOG_FIGURES["cases"]:
        given, results = case["settings"], case["results"]
        settings = {
            "tp": given["tp"],
            "pp": given["pp"],
            "decode_context_parallel_size": given["dcp"],
            "max_num_batched_tokens": given["max_num_batched_tokens"],
            "async_scheduling": given["async_scheduling"],
            "disable_hybrid_kv_cache_manager": not given["hybrid_manager"],
            "kv_cache_dtype": given["kv_dtype"],
            "block_size": given["block_size_asked"],
            "attention_backend": given["backend"],
            "mamba_cache_mode": given.get("mamba_cache_mode", "align"),
            "num_gpu_blocks_override": given.get("num_gpu_blocks_override"),
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        lines = [
            f"Available KV cache memory: {given['memory_bytes'] / 2**30:.2f} GiB",
            str(results.get("auto_fit_log")),
            str(results.get("log") or results.get("error") or results.get("refused")),
        ]
        rows = checked(lines, load(PRESETS[given["model"]]), settings)
        verdicts += [row.verdict for row in rows]
    assert set(verdicts) == {AGREES}
    assert len(verdicts) > 200


def test_a_recurrent_state_is_checked_as_llama_cpp_keeps_it() -> None:
    case = next(case for case in CASES if case["model_as_named"].startswith("qwen35 architecture"))
    rows = checked(case["lines"], model_of(case))
    assert [(row.figure, row.printed, row.verdict) for row in rows] == [
        ("RS buffer size (MiB)", 149.62, CANNOT),  # one of three devices'
        ("recurrent states (MiB)", 448.88, AGREES),
        ("R (MiB)", 16.88, AGREES),
        ("S (MiB)", 432, AGREES),
    ]


LLAMA_31_8B = load("llama-3.1-8b")
GPT_OSS = load("gpt-oss-20b")


def test_a_figure_that_differs_says_by_how_much_and_which_setting_would_explain_it() -> None:
    lines = [
        "creating non-SWA KV cache, size = 131072 cells",
        "creating     SWA KV cache, size = 2304 cells",
    ]
    (row,) = checked(lines, GPT_OSS)
    assert (row.line, row.printed, row.ours, row.verdict) == (2, 2304, 768, DIFFERS)
    assert "off by +1,536" in row.why
    assert "ubatch_size=2048 would explain it" in row.why


@each("tokens", [128, 256, 1024, 2048, 4096])
def test_any_usual_micro_batch_would_explain_a_sliding_cache(tokens: int) -> None:
    """A window of 128 tokens and the micro-batch, padded to 256 cells; 512 is llama.cpp's own."""
    cells = -(-(128 + tokens) // 256) * 256
    lines = [
        "creating non-SWA KV cache, size = 131072 cells",
        f"creating     SWA KV cache, size = {cells} cells",
    ]
    (row,) = checked(lines, GPT_OSS, {"batch_size": 4096})
    assert f"ubatch_size={tokens} would explain it" in row.why


VLLM_TOKENS = ("Available KV cache memory: 10.0 GiB", "GPU KV cache size: 72,816 tokens")
SLIDING = (
    "creating non-SWA KV cache, size = 131072 cells",
    "creating     SWA KV cache, size = {} cells",
)
TABLE = (
    "llama_context: n_ctx = 8192",
    "llama_memory_breakdown_print: |   - CUDA0 (A) | 9 =  1 + (9 = 9 +    {} +     1) + 5 |",
)


@each(
    ("lines", "figure", "model", "given", "cause"),
    [
        # 36 layers of 4,096 bytes a token: 4,551 blocks of 16 tokens in 10 GiB.
        (VLLM_TOKENS, "", "qwen3-8b", {"tensor_parallel_size": "2"}, "tensor_parallel_size=1"),
        (VLLM_TOKENS, "", "qwen3-8b", {"kv_cache_dtype": "fp8"}, "kv_cache_dtype=bfloat16"),
        (
            ("KV Cache is allocated. #tokens: 10240, K size: 0.63 GB, V size: 0.63 GB",),
            *("", "llama-3.1-8b", {"tensor_parallel_size": "2"}),
            "kv_cache_dtype=float32, or tensor_parallel_size=1",
        ),
        (SLIDING, "2304", "gpt-oss-20b", {"ubatch_size": "512"}, "ubatch_size=2048"),
        # Three windows of 128 in one buffer, and 512 tokens, are 896, padded to 256.
        (
            (*SLIDING, "llama_context: n_ubatch = 512"),
            *("1024", "gpt-oss-20b", {"sequences": "2"}, "3 sequences in one buffer (kv_unified)"),
        ),
        (
            *(SLIDING, "1536", "gpt-oss-20b", {"sequences": "4"}),
            "ubatch_size=1024 and 4 sequences in one buffer (kv_unified), or "
            "ubatch_size=512 and 8 sequences in one buffer (kv_unified)",
        ),
        # 32 layers of 8 KV heads of 128: 1,024 MiB of f16, of which q8_0 takes 34 in 64.
        (TABLE, "1024", "llama-3.1-8b", {"kv_cache_dtype": "q8_0"}, "kv_cache_dtype=f16"),
        (TABLE, "544", "llama-3.1-8b", {"kv_cache_dtype": "f16"}, "kv_cache_dtype=q8_0"),
    ],
)
def test_another_value_of_a_setting_that_the_user_gave_may_explain_a_figure(
    lines: tuple[str, ...], figure: str, model: str, given: dict[str, str], cause: str
) -> None:
    whys = [
        row.why
        for row in checked([line.format(figure) for line in lines], load(model), given)
        if row.verdict == DIFFERS
    ]
    assert whys
    assert all(f"{cause} would explain it" in why for why in whys), whys


@each(
    ("said", "given"),
    [
        ("llama_context: n_ubatch = 512", {}),
        ("llama_context: n_ubatch = 512\nllama_context: n_seq_max = 1", {"context": "131072"}),
    ],
)
def test_what_the_log_says_of_a_setting_stands(said: str, given: dict[str, str]) -> None:
    lines = [*said.splitlines(), *(line.format(4352) for line in SLIDING)]
    (row,) = [row for row in checked(lines, GPT_OSS, given) if row.verdict == DIFFERS]
    assert "would explain it" not in row.why


def test_vllms_label_is_read_in_both_of_its_meanings() -> None:
    """0.18 (old label): 165,792 tokens; from 0.21 on the same pool reads 660,582."""
    case = next(case for case in CASES if case["model_as_named"] == "Qwen/Qwen3.5-9B")
    model, settings = model_of(case), settings_of(case)
    old = [row for row in checked(case["lines"], model, settings) if "size (tokens)" in row.figure]
    assert [row.why for row in old if "KV cache size" in row.figure] == [
        "blocks // groups x block size, the label's meaning up to 0.20.0"
    ]
    lines = [line.replace("165,792", "660,584") for line in case["lines"]]
    rows = [row for row in checked(lines, model, settings) if "KV cache size" in row.figure]
    assert [(row.verdict, row.why[:10]) for row in rows] in (
        [(AGREES, "blocks / b")],
        [(DIFFERS, "blocks / b")],
    )


def test_another_ranks_memory_is_named_where_the_pool_is_a_little_smaller() -> None:
    case = next(case for case in NOT_SETTLED if case["model_as_named"] == "Qwen3-235B-A22B-FP8")
    (row,) = checked(case["lines"], load("qwen3-235b-a22b"), settings_of(case))
    assert row.verdict == DIFFERS
    assert row.printed == 178_880
    assert "each rank prints its own available memory" in row.why


def test_older_vllm_compared_all_stages_with_one() -> None:
    case = next(case for case in CASES if "pp_partition" in case["settings"])
    rows = checked(case["lines"], model_of(case), settings_of(case))
    assert "all stages' layers against one stage's memory" in rows[0].why


def test_of_tensorrt_llms_two_pools_the_last_counts() -> None:
    lines = [
        "[MemUsageChange] Allocated 4.00 GiB for max tokens in paged KV cache (65536).",
        "[MemUsageChange] Allocated 14.04 GiB for max tokens in paged KV cache (230016).",
    ]
    first, last = checked(lines, LLAMA_31_8B, {"kv_cache_dtype": "fp8"})
    assert (first.verdict, first.line) == (CANNOT, 1)
    assert "the last counts" in first.why
    assert (last.verdict, last.printed) == (AGREES, 14.04)


@each("case", CASES + NOT_SETTLED, ids=named)
def test_without_a_model_what_needs_one_cannot_be_checked(case: Mapping[str, Any]) -> None:
    try:
        rows = checked(case["lines"])
    except KvcalcError:
        return
    for row in rows:
        why = "TurboMind" if case in TURBOMIND else "missing"
        assert row.verdict != CANNOT or (why in row.why and row.ours is None)


def test_the_model_and_the_settings_of_vllms_own_line_are_found() -> None:
    lines = [
        "Initializing a V1 LLM engine (v0.33.0) with config: model='meta-llama/Llama-3.1-8B', "
        "dtype=torch.bfloat16, max_seq_len=8192, tensor_parallel_size=2, kv_cache_dtype=fp8, "
        "enable_prefix_caching=True",
        "Available KV cache memory: 4.00 GiB",
        "GPU KV cache size: 131,072 tokens",
        "Maximum concurrency for 8,192 tokens per request: 16.00x",
    ]
    rows = checked(lines)
    assert [(row.line, row.verdict) for row in rows] == [(3, AGREES), (4, AGREES)]
    assert [row.verdict for row in checked(lines, None, {"tp": "4"})] == [DIFFERS, DIFFERS]


def test_a_setting_that_the_logs_engine_lacks_is_refused() -> None:
    with pytest.raises(KvcalcError, match="--set: vllm has no 'ubatch_size'; "):
        checked(["GPU KV cache size: 16 tokens"], LLAMA_31_8B, {"ubatch_size": "512"})


@pytest.mark.parametrize(
    ("name", "value"), [("n_ctx", "x"), ("n_ctx", "0"), ("ubatch_size", "1" * 99)]
)
def test_a_setting_that_is_no_number_is_refused(name: str, value: str) -> None:
    lines = ["creating SWA KV cache, size = 2304 cells", "KV self size = 1.00 MiB"]
    with pytest.raises(KvcalcError, match=f"{name}: found .*, expected a whole number"):
        checked(lines, GPT_OSS, {name: value})


def test_latent_rows_kept_a_v_in_older_llama_cpp() -> None:
    case = next(
        case
        for case in VERBATIM
        if case["model_as_named"] == "Deepseek-V3-0324" and "mainline" in case["engine"]
    )
    rows = checked(case["lines"], model_of(case), settings_of(case))
    assert all("llama.cpp before b7832" in row.why for row in rows)


def test_a_cache_whose_type_is_not_printed_may_be_f32() -> None:
    lines = ["n_ctx = 512", "kv self size  = 1560.00 MB"]
    (row,) = checked(lines, layers(full(52, 128), times=60))
    assert row.verdict == AGREES
    assert "f32" in row.why


STATES_BOUND = (
    "Initializing a V1 LLM engine (v0.28.0) with config: model='q', max_seq_len=132000, "
    "tensor_parallel_size=1, kv_cache_dtype=auto",
    "Available KV cache memory: 46.4 GiB",
    "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (969). Each decode "
    "sequence requires one Mamba cache block, so CUDA graph capture cannot proceed. Please lower "
    "max_num_seqs to at most 969 or increase gpu_memory_utilization.",
)


def test_more_sequences_than_blocks_of_states_are_an_error_that_is_read() -> None:
    """Issue 49064 of vllm-project/vllm: Qwen3.5 27B, 0.28.0 on an H100."""
    (row,) = checked(STATES_BOUND, load(f"{CONFIGS}/Qwen--Qwen3.5-27B.json"))
    assert (row.figure, row.printed, row.ours, row.verdict) == ("blocks (blocks)", 969, 969, AGREES)
    assert row.why.endswith("num_gpu_blocks; it starts with --max-num-seqs 969")
    (alone,) = checked(STATES_BOUND[2:])
    assert alone.verdict == CANNOT
    assert alone.why == (
        "the model is missing: give --model; num_gpu_blocks; it starts with --max-num-seqs 969"
    )
