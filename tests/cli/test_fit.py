"""`kvcalc fit`: one answer, grids, and what is refused."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.readers.test_tokens import WORDS

KEXAONE = "k-exaone-236b-a23b"
FOUR_H200 = (KEXAONE, "--gpu", "h200", "--gpus", "4", "-c", "256K")


CONTRACT = [
    *(
        "model",
        "engine",
        "engine_version",
        "gpu",
        "gpus",
        "tensor_parallel_size",
        "replicas",
        "context",
    ),
    *("sequences", "fits", "max_sequences", "promised_sequences", "max_context"),
    *("cache_memory_per_gpu", "promised_cache_memory_per_gpu", "bytes_per_gpu_per_sequence"),
    *("weights_per_gpu", "reserve_per_gpu", "parts", "binding"),
    *("settings", "flags"),
]


def test_json_is_the_contracts_object(cli: Cli) -> None:
    outcome = cli("fit", *FOUR_H200, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert list(found) == CONTRACT
    assert (found["max_sequences"], found["engine"]) == (9, "ideal")


@pytest.mark.parametrize(
    ("engine", "dtype", "promised", "likely", "spare"),
    [
        ("vllm", "bf16", 2, 3, 922_091_520),
        ("vllm", "fp8", 17, 18, 2_225_602_560),
        ("sglang", "bf16", 1, 1, 513_989_064),
        ("sglang", "fp8", 5, 5, 7_802_752_328),
    ],
)
def test_k_exaone_on_4_h200_with_tensor_parallel_at_256k(
    cli: Cli, engine: str, dtype: str, promised: int, likely: int, spare: int
) -> None:
    """Its authors' claim ("256K context length using tensor parallel on 4 H200 GPUs") holds, with
    weights in FP8 and in BF16 (the cache in BF16): for so many sequences, with so much to spare."""
    outcome = cli("fit", *FOUR_H200, "-e", engine, "--weights-dtype", dtype, "--json")
    found = json.loads(outcome.out)
    assert outcome.code == 0
    assert (found["fits"], found["tensor_parallel_size"]) == (True, 4)
    assert (found["promised_sequences"], found["max_sequences"]) == (promised, likely)
    need = promised * found["bytes_per_gpu_per_sequence"]
    assert found["promised_cache_memory_per_gpu"] - need == spare


def test_the_answer_leads_with_what_can_be_promised(cli: Cli) -> None:
    outcome = cli("fit", *FOUR_H200, "-e", "vllm")
    assert re.match(
        r"Yes: K-EXAONE-236B-A23B with at least 2, likely 3 sequences of 262,144 tokens fits on "
        r"4 h200 with vllm 0\.33\.0, [0-9.]+ MiB of each GPU to spare\n",
        outcome.out,
    )
    assert re.search("max sequences +at least 2, likely 3\n", outcome.out)
    assert "what gives most back: --max-num-seqs 256: 2.15 GiB a GPU, " in outcome.out
    assert "sampler: estimate, 2.02 GiB to 2.31 GiB; v1/worker/gpu/model_runner.py" in outcome.out
    assert outcome.err.count("no log has tested what a start of vllm 0.33.0 takes") == 1
    tested = cli("fit", *FOUR_H200, "-e", "vllm@0.31.0")
    assert "no log has tested" not in tested.err


def test_the_parts_and_the_cache_are_the_gpus_memory(cli: Cli) -> None:
    on = ("fit", "llama-3.1-8b", "--gpu", "h100", "--gpus", "1", "-c", "8K", "-e", "vllm@0.19.0")
    found = json.loads(cli(*on, "--json").out)
    names = [part["name"] for part in found["parts"]]
    sizes = [part["bytes"] for part in found["parts"]]
    assert names[0] == "weights"
    assert sizes == sorted(sizes, reverse=True)
    assert all(part["low"] <= part["bytes"] <= part["high"] for part in found["parts"])
    block = 16 * 32 * 4096
    left = 7919 * 2**30 // 100 - sum(sizes) - found["cache_memory_per_gpu"]
    assert block <= left < 2 * block  # the null block, and what is no whole block


def test_what_is_promised_is_held_and_one_more_is_not(cli: Cli) -> None:
    on = ("fit", *FOUR_H200, "-e", "vllm", "--json")
    for count, code in (("2", 0), ("3", 1)):
        outcome = cli(*on, "-n", count)
        assert outcome.code == code
        assert json.loads(outcome.out)["fits"] == (code == 0)


@pytest.mark.parametrize("given", [("--optimistic",), ("--reserve", "0")])
def test_optimistic_leaves_out_what_the_start_takes(cli: Cli, given: tuple[str, ...]) -> None:
    found = json.loads(cli("fit", *FOUR_H200, "-e", "vllm", *given, "--json").out)
    assert (found["promised_sequences"], found["max_sequences"]) == (5, 5)
    assert found["reserve_per_gpu"] == 0
    assert cli("fit", *FOUR_H200, "--optimistic", "--reserve", "1GB").code == 2


def test_a_reserve_stands_for_the_parts(cli: Cli) -> None:
    found = json.loads(cli("fit", *FOUR_H200, "-e", "vllm", "--reserve", "4GiB", "--json").out)
    assert found["reserve_per_gpu"] == 4 * 2**30
    assert {part["name"]: part["kind"] for part in found["parts"]}["reserve"] == "given"


def test_a_pool_that_is_given_is_the_promise(cli: Cli) -> None:
    pool = ("--set", "kv_cache_memory_bytes=8000000000")
    found = json.loads(cli("fit", *FOUR_H200, "-e", "vllm", *pool, "--json").out)
    assert found["cache_memory_per_gpu"] == found["promised_cache_memory_per_gpu"]
    assert 7_900_000_000 < found["cache_memory_per_gpu"] <= 8_000_000_000
    assert "--kv-cache-memory-bytes 8000000000" in found["flags"]
    more = ("--set", "kv_cache_memory_bytes=80000000000")
    assert cli("fit", *FOUR_H200, "-e", "vllm", *more, "-n", "9").code == 1


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("tests/oracles/configs/nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.json", "mamba2 layers"),
        ("gemma-4-31b", "a tower for images of this kind"),
    ],
)
def test_a_start_that_is_not_modelled_is_declined_by_name(cli: Cli, model: str, what: str) -> None:
    on = ("--gpu", "h100", "--gpus", "8", "-e", "vllm", "--weights", "28GB", "-c", "8K")
    outcome = cli("fit", model, *on)
    assert outcome.code == 2
    assert what in outcome.err
    assert "--reserve with what a log shows, or --optimistic" in outcome.err
    assert cli("fit", model, *on, "--optimistic").code == 0


def test_the_cap_is_a_setting_and_no_question(cli: Cli) -> None:
    on = (*FOUR_H200, "-e", "vllm", "--json")
    fewer = json.loads(cli("fit", *on, "--max-num-seqs", "256").out)
    own = json.loads(cli("fit", *on).out)
    assert fewer["settings"]["max_num_seqs"] == 256
    assert fewer["promised_cache_memory_per_gpu"] > own["promised_cache_memory_per_gpu"] + 2**31
    assert "--max-num-seqs 256" in fewer["flags"]
    refused = cli("fit", *FOUR_H200, "-e", "sglang", "--max-num-seqs", "4")
    assert "sglang has no setting 'max_num_seqs'" in refused.err
    four = json.loads(
        cli("fit", *FOUR_H200, "-e", "sglang", "--max-running-requests", "4", "--json").out
    )
    assert four["settings"]["max_running_requests"] == 4


def test_sequences_past_the_engines_own_cap_do_not_fit_and_the_cap_is_named(cli: Cli) -> None:
    small = ("fit", "qwen3-8b", "--gpu", "h200", "--gpus", "1", "-e", "vllm", "-c", "128")
    outcome = cli(*small, "-n", "1100")
    assert outcome.code == 1
    assert "the engine runs 1,024 sequences at once" in outcome.out
    assert "--max-num-seqs 1100" in outcome.out
    assert cli(*small, "-n", "1100", "--max-num-seqs", "1100").code == 0


def test_what_does_not_fit_is_a_sentence_and_exit_1(cli: Cli) -> None:
    for form in ("table", "json", "csv"):
        outcome = cli("fit", *FOUR_H200, "-n", "16", "-f", form)
        assert outcome.code == 1
        told = outcome.out if form == "table" else outcome.err  # once, where a person sees it
        assert told.count("does not fit") == 1
        assert "-c 157K, or 9 sequences, or --kv-cache-dtype fp8, or --gpus 8" in told
        assert outcome.err.count("\n") == (form != "table")


def test_weights_larger_than_the_cards_do_not_fit_by_so_much(cli: Cli) -> None:
    outcome = cli("fit", KEXAONE, "--gpu", "l4", "--gpus", "1", "-c", "8K")
    assert outcome.code == 1
    assert outcome.out.startswith("No: ")
    assert "too large" in outcome.out


def test_a_server_that_starts_and_never_finishes_a_request_is_said(cli: Cli) -> None:
    """Of 0.14.1 to 0.18.1, whose start-up check counts the first group alone."""
    small = ("gemma-3-27b", "--gpu-memory", "72GiB", "--gpus", "1", "-c", "131072", "--optimistic")
    out = cli("fit", *small, "-e", "vllm@0.16.0").out
    assert "vllm 0.16.0 starts, but a request of 131,072 tokens never finishes" in out
    assert "never finishes" not in cli("fit", *small, "-e", "vllm").out


def test_the_table_says_where_its_figures_come_from(cli: Cli) -> None:
    out = cli("fit", *FOUR_H200, "-e", "vllm").out
    assert "gpu_memory_utilization 0.92 of the memory; vLLM 0.33.0, config/cache.py" in out
    older = cli("fit", *FOUR_H200, "-e", "vllm@0.19.1").out
    assert "gpu_memory_utilization 0.9 of the memory; vLLM 0.19.1, config/cache.py" in older
    optimistic = cli("fit", *FOUR_H200, "-e", "vllm", "--optimistic").out
    assert (
        "reserve: 0: what a start takes beside (v1/worker/gpu_worker.py) is left out" in optimistic
    )
    h20 = cli("fit", "qwen3-8b", "--gpu", "h20", "--gpus", "1").out
    assert "the memory is the driver's figure: what a framework sees is up to 2.1 % less" in h20
    assert "23,630,530,560 parameters are active per token (10.0 %); all must fit." in out
    assert "vllm serve LGAI-EXAONE/K-EXAONE-236B-A23B --max-model-len 262144 --gpu-mem" in out
    assert "ideal is the least" in cli("fit", *FOUR_H200).out


def test_a_grid_is_one_row_each(cli: Cli) -> None:
    outcome = cli(
        *("fit", KEXAONE, "llama-3.1-8b", "--gpu", "h100,h200", "--gpus", "1,4"),
        *("-c", "32K,128K", "-n", "1,16", "-f", "csv"),
    )
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert (outcome.code, outcome.err) == (0, "")
    assert list(rows[0]) == [name for name in CONTRACT if name != "parts"]
    keys = [(r["model"], r["gpu"], r["gpus"], r["context"], r["sequences"]) for r in rows]
    assert len(set(keys)) == len(rows) == 2 * 2 * 2 * 2 * 2
    grid = json.loads(cli("fit", "qwen3-8b", "--gpu", "h100", "--gpus", "1,2", "--json").out)
    assert [row["gpus"] for row in grid] == [1, 2]
    table = cli("fit", "qwen3-8b", "--gpu", "h100", "--gpus", "1,2", "--price", "h100=2").out
    assert "per month" in table


def test_a_context_in_a_predecessors_tokens(cli: Cli) -> None:
    outcome = cli(
        *("fit", *FOUR_H200, "--in-tokens-of", "exaone-4.0-32b", "--language", "korean", "--json")
    )
    assert json.loads(outcome.out)["context"] == 203_213
    assert "22.5 % fewer" in outcome.err
    assert "an average over a corpus, not a bound" in outcome.err


def test_a_texts_tokens_are_the_context(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(WORDS)
    (tmp_path / "report.txt").write_text("one two " * 500)
    (tmp_path / "config.json").write_text(
        Path("tests/oracles/configs/Qwen--Qwen3-8B.json").read_text()
    )
    given = ("--gpu", "h100", "--gpus", "1", "--weights", "16GB", "--json")
    outcome = cli("fit", str(tmp_path), *given, "-c", f"@{tmp_path / 'report.txt'}")
    assert json.loads(outcome.out)["context"] == 1000
    assert "is 1,000 tokens" in outcome.err


def test_any_other_card_by_its_memory(cli: Cli) -> None:
    outcome = cli("fit", "qwen3-8b", "--gpu-memory", "24GB", "--gpus", "1", "-c", "8K", "--json")
    found = json.loads(outcome.out)
    assert (found["gpu"], found["fits"]) == ("24GB", True)
    assert found["cache_memory_per_gpu"] == 24 * 10**9 - found["weights_per_gpu"]


def test_a_shape_is_asked_about_with_its_weights(cli: Cli) -> None:
    shape = ("--layers", "48", "--kv-heads", "8", "--head-dim", "128", "--max-context", "32K")
    outcome = cli("fit", *shape, "--weights", "20GB", "--gpu", "h100", "--gpus", "1", "--json")
    assert json.loads(outcome.out)["context"] == 32_768


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--gpu", "h300"], "GPU 'h300' is unknown; did you mean h800, h200, h100"),
        (["--gpu", "h200", "--gpus", "0"], "--gpus: found '0', expected a count of at least 1"),
        (["--gpu", "h200", "--gpus", "x"], "--gpus: found 'x'"),
        (["--gpu", "h200", "--gpu-memory", "24GB"], "gpu: give one"),
        ([], "gpu: give one"),
        (["--gpu", "h200", "--gpus", "4", "--tp", "3"], "tensor_parallel_size: found 3"),
        (["--gpu", "h200", "--reserve", "4"], "--reserve: found '4', expected a size"),
        (["--gpu", "h200", "--weights-dtype", "x"], "element type 'x' is unknown"),
        (
            ["--gpu", "h200", "--price", "h200"],
            "--price: found 'h200', expected a GPU and its price",
        ),
        (["--gpu", "h200", "--price", "h200=nan"], "--price: found 'h200=nan'"),
        (["--gpu", "h200", "--price", "l4=1"], "price: missing for h200"),
        (["--gpu", "h200", "-e", "vllm", "--set", "gpu_memory_utilization=2"], "at most 1"),
        (["--gpu", "h200", "--set", "gpu_memory_utilization=0.9"], "gpu_memory_utilization"),
        (["--gpu", "h200", "--language", "korean"], "--language: found without --in-tokens-of"),
        (["--gpu", "h200", "-c", "@none.txt"], "'none.txt': found nothing, expected a file"),
        (["--gpu", "h200", "-n", "0"], "--sequences: found '0', expected at least 1"),
    ],
)
def test_a_wrong_request_is_one_sentence(cli: Cli, arguments: list[str], sentence: str) -> None:
    outcome = cli("fit", KEXAONE, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_where_the_engines_own_sequences_would_not_start_fit_says_how_many_do(cli: Cli) -> None:
    model = "tests/oracles/configs/Qwen--Qwen3.5-27B.json"
    on = ("--gpu", "h100", "--gpus", "1", "--weights", "28GB", "-e", "vllm")
    out = cli("fit", model, *on, "-c", "128K", "--optimistic").out
    assert "--max-num-seqs 921" in out
    assert "does not start" not in out
    more = cli("fit", model, *on, "-c", "128K", "--optimistic", "--set", "max_num_seqs=1000").out
    assert "does not start with max_num_seqs, 1,000: beside recurrent layers it may be" in more


@pytest.mark.parametrize(
    ("engine", "given", "note"),
    [
        ("vllm", ("--optimistic",), "reserve: 0: what a start takes beside"),
        ("vllm", ("--reserve", "8GiB"), "reserve: 8,589,934,592 (8.00 GiB), as given: what a st"),
        ("sglang", ("--optimistic",), "reserve: (1 - mem_fraction_static) of the memory"),
        ("sglang", ("--reserve", "8GiB"), "reserve: 8,589,934,592 (8.00 GiB), as given: (1 - mem"),
    ],
)
def test_the_note_on_the_reserve_says_what_is_given(
    cli: Cli, engine: str, given: tuple[str, ...], note: str
) -> None:
    assert note in cli("fit", "qwen3-8b", "--gpu", "h100", "--gpus", "1", "-e", engine, *given).out


def test_past_the_models_maximum_is_a_warning_not_another_answer(cli: Cli) -> None:
    on = ("--gpu", "h200", "--gpus", "4", "-e", "vllm", "-d", "fp8")
    outcome = cli("fit", "qwen3-235b-a22b", *on, "-c", "256K")
    assert "Qwen3-235B-A22B with 1 sequence of 262,144 tokens fits" in outcome.out
    assert "max context of 1 sequence                              262,144" in outcome.out
    assert "40,960" not in outcome.out
    assert "a context of 262,144 tokens is past the 40,960" in outcome.err


def test_the_page_says_over_how_many_gpus_layers_are_split(cli: Cli) -> None:
    out = cli("fit", "llama-3.1-70b", "--gpu", "rtx-4090", "-e", "llama.cpp", "-c", "8K").out
    assert re.search("layers split over +6, 1 copy of the model", out)
    assert "--tensor-split 1,1,1,1,1,1" in out


def test_what_would_hold_more_is_named_beside_the_answer(cli: Cli) -> None:
    on = ("--gpu", "h200", "--gpus", "8", "-e", "vllm", "-d", "fp8", "--weights-dtype", "fp8")
    out = cli("fit", "qwen3-235b-a22b", *on, "-c", "32K").out
    assert "at least 123, likely 128 sequences of 32,768 tokens" in out
    assert "what would hold more on these GPUs: --tp 4 (170 sequences), or" in out


def test_how_mlx_shares_a_model_among_macs_is_said(cli: Cli) -> None:
    asked = ("fit", "llama-3.1-70b", "--gpu", "m4-max-64gb", "-e", "mlx", "-c", "8K")
    outcome = cli(*asked)
    assert outcome.code == 0
    assert "fits on 4 mac-64gb" in outcome.out
    assert "over several Macs, mlx.launch starts the server on each" in outcome.out


def test_a_bare_config_fits_by_its_own_parameters(cli: Cli) -> None:
    config = "tests/oracles/configs/deepseek-ai--DeepSeek-V3.2.json"
    asked = ("fit", config, "--gpu", "h200", "--gpus", "8", "-e", "sglang", "-c", "32K")
    fit = json.loads(cli(*asked, "--json").out)
    assert fit["fits"]
    assert fit["weights_per_gpu"] > 671e9 / 8


def test_cards_with_different_rooms_hold_what_the_least_holds(cli: Cli) -> None:
    """llama.cpp's last card holds the output, and each has a compute buffer of its own."""
    asked = ("llama-3.1-70b", "--gpu", "rtx-4090", "--gpus", "2", "-e", "llama.cpp", "-c", "8K")
    outcome = cli("fit", *asked, "--weights", "40GB", "--json")
    assert outcome.code in (0, 1)
    fit = json.loads(outcome.out)
    assert fit["promised_cache_memory_per_gpu"] < 24 * 2**30 - fit["weights_per_gpu"]


LONG_TURNS = ("--trace", "tests/oracles/traces/replay/multi_turn_long.jsonl")
SMALL_GPUS = ("llama-3.1-8b", "--gpu-memory", "19GB", "-e", "vllm", "-c", "32K")


def test_the_gpus_that_hit_so_much_of_a_trace_are_solved_for(cli: Cli) -> None:
    outcome = cli("fit", *SMALL_GPUS, *LONG_TURNS, "--hit-rate", "80%", "--json")
    assert (outcome.code, json.loads(outcome.out)["gpus"]) == (0, 4)
    assert "on 4 hits 89.2 % of the trace's prompt tokens" in outcome.err


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (LONG_TURNS, "--trace: expected beside --hit-rate"),
        ((*LONG_TURNS, "--hit-rate", "80%", "--gpus", "2"), "--gpus: found beside --hit-rate"),
        ((*LONG_TURNS, "--hit-rate", "95%"), "expected at most 89.2 %"),
    ],
)
def test_a_rate_that_cannot_be_asked_is_refused(given: tuple[str, ...], why: str, cli: Cli) -> None:
    outcome = cli("fit", *SMALL_GPUS, *given)
    assert (outcome.code, outcome.out) == (2, "")
    assert why in outcome.err


ON_ONE = ("--gpu", "h100", "--gpus", "1")


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("llama.cpp", True),
        ("llama.cpp@b6723", True),
        ("llama.cpp@b6722", False),
        ("mlx", False),
    ],
)
def test_what_main_memory_is_filled_with_in_use_is_said_beside_its_parts(
    cli: Cli, engine: str, said: bool
) -> None:
    """common/common.h: cache_ram_mib is 8192 of a server that nothing is said to (#16391)."""
    out = cli("fit", "llama-3.1-8b", "--gpu-memory", "80GB", "-e", engine, "-c", "8K").out
    note = "main memory of the host: llama-server fills more of it as it runs: earlier prompts, up"
    assert (f"{note} to 8,192 MiB" in out) == said
