"""`kvcalc fit` and servers' command lines: those that it reads, and the one that it writes."""

import json

import pytest

from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"
FOUR_H200 = (KEXAONE, "--gpu", "h200", "--gpus", "4", "-c", "256K")


LINE = (
    "vllm serve LGAI-EXAONE/K-EXAONE-236B-A23B --max-model-len 65536 --max-num-seqs 32 -tp 4 "
    "--gpu-memory-utilization 0.95 --enforce-eager"
)


def test_a_servers_line_is_asked_about_with_its_cap_and_its_share(cli: Cli) -> None:
    on = ("fit", KEXAONE, "--gpu", "h200", "--gpus", "4", "--from", LINE, "--json")
    found = json.loads(cli(*on).out)
    assert (found["engine"], found["context"]) == ("vllm", 65_536)
    assert found["settings"]["max_num_seqs"] == 32
    assert found["max_sequences"] <= 32
    assert "CUDA graphs" not in {part["name"] for part in found["parts"]}
    for flag in ("--max-num-seqs 32", "--gpu-memory-utilization 0.95", "--enforce-eager"):
        assert flag in found["flags"]
    same = json.loads(cli("fit", KEXAONE, *on[2:6], "--from", found["flags"], "--json").out)
    assert same == found
    asked = json.loads(cli(*on, "-c", "8K", "-n", "4", "--max-num-seqs", "16").out)
    assert (asked["context"], asked["sequences"]) == (8192, 4)
    assert asked["settings"]["max_num_seqs"] == 16


def test_a_lines_cap_is_the_question_where_none_is_asked(cli: Cli) -> None:
    line = "vllm serve LGAI-EXAONE/K-EXAONE-236B-A23B --max-num-seqs 16 --max-model-len 8192"
    capped, asked = (
        json.loads(cli("estimate", KEXAONE, "--from", line, *given, "--json").out)
        for given in ((), ("-n", "2"))
    )
    assert (capped["sequences"], asked["sequences"]) == (16, 2)
    assert capped["settings"]["max_num_seqs"] == asked["settings"]["max_num_seqs"] == 16


@pytest.mark.parametrize("engine", ["vllm", "sglang", "llama.cpp"])
def test_the_engines_command_line_reads_back(cli: Cli, engine: str) -> None:
    asked = ("fit", "qwen3-8b", "--gpu", "h100", "--gpus", "2", "-c", "8K", "-d", "bf16")
    found = json.loads(cli(*asked, "-e", engine, "--json").out)
    read = json.loads(cli("estimate", "--from", found["flags"], "--json").out)
    assert (read["engine"], read["context"]) == (engine, 8192)
    assert read["settings"].get("tensor_parallel_size", 1) == found["tensor_parallel_size"]


@pytest.mark.parametrize(
    "given",
    [
        ("-e", "vllm", "-d", "fp8", "--set", "kv_cache_layout=HND", "--set", "block_size=32"),
        ("-e", "vllm", "--set", "kv_cache_dtype_skip_layers=0,1", "-d", "fp8"),
        ("-e", "sglang", "-d", "fp8", "--set", "swa_eviction_interval=64"),
        ("-e", "sglang", "-d", "fp16", "--set", "page_size=64"),
        ("-e", "llama.cpp", "-d", "q8_0", "--set", "tensor_split=3,1"),
        ("-e", "lmdeploy", "-d", "int8"),
        ("-e", "mlx", "--set", "kv_bits=8", "--set", "quantized_kv_start=0"),
    ],
)
def test_what_the_line_starts_takes_what_was_planned(cli: Cli, given: tuple[str, ...]) -> None:
    gpus = "2" if "tensor_split=3,1" in given else "1"
    plan = ("fit", "qwen3-8b", "--gpu", "h100", "--gpus", gpus, "-c", "16K", "-n", "4", *given)
    found = json.loads(cli(*plan, "--json").out)
    line = found["flags"]
    on = ("--gpu", "h100") if "gpu" in found["settings"] else ()
    one = json.loads(cli("estimate", "--from", line, "-c", "16K", "-n", "1", *on, "--json").out)
    assert (one["model"], one["engine"]) == ("Qwen3-8B", found["engine"])
    assert one["bytes_per_gpu"] == found["bytes_per_gpu_per_sequence"]


def test_q8_0_is_on_llama_servers_line(cli: Cli) -> None:
    plan = ("fit", "qwen3-8b", "--gpu", "rtx-4090", "--gpus", "1", "-e", "llama.cpp", "-c", "16K")
    found = json.loads(cli(*plan, "-n", "4", "-d", "q8_0", "--weights", "5GB", "--json").out)
    assert found["flags"] == (
        "llama-server --model Qwen3-8B.gguf --ctx-size 65536 --parallel 4 "
        "--cache-type-k q8_0 --cache-type-v q8_0"
    )
    started = json.loads(cli("estimate", "--from", found["flags"], "--json").out)
    assert started["bytes"] == 5_133_828_096


def test_a_model_that_nothing_names_is_the_word_model(cli: Cli) -> None:
    on = ("--gpu", "h100", "--gpus", "1", "-c", "8K", "-n", "1", "-e", "vllm")
    card = (*on, "--set", "max_num_seqs=1", "--optimistic", "--json")
    shape = ("--layers", "32", "--kv-heads", "8", "--head-dim", "128")
    line = json.loads(cli("fit", *shape, "--weights", "16GB", *card).out)["flags"]
    assert line.startswith(
        "vllm serve MODEL --max-model-len 8192 --gpu-memory-utilization 0.92 --max-num-seqs 1"
    )
    read = cli("estimate", "--from", line, *shape, "--json")
    assert json.loads(read.out)["bytes"] == 32 * 8192 * 4096
    alone = cli("estimate", "--from", line)
    assert alone.code == 2
    assert "MODEL: missing" in alone.err


def test_a_window_of_ones_own_is_planned_and_no_repository_has_it(cli: Cli) -> None:
    found, own = (
        json.loads(cli("fit", *FOUR_H200, "-e", "vllm", "-w", window, "--json").out)
        for window in ("4096", "128")
    )
    assert found["bytes_per_gpu_per_sequence"] > own["bytes_per_gpu_per_sequence"]
    assert found["flags"].startswith("vllm serve MODEL ")
    assert own["flags"].startswith("vllm serve LGAI-EXAONE/K-EXAONE-236B-A23B ")


ON_ONE = ("--gpu", "h100", "--gpus", "1")


@pytest.mark.parametrize(
    ("engine", "weights", "line"),
    [
        ("vllm", "fp8", "vllm serve MODEL "),
        ("sglang", "awq", "python -m sglang.launch_server --model-path MODEL "),
        ("llama.cpp", "Q4_K_M", "llama-server --model MODEL.gguf "),
        ("mlx", "4bit", "mlx_lm.server --model MODEL "),
    ],
)
def test_a_line_names_no_model_whose_weights_are_others_than_were_planned(
    engine: str, weights: str, line: str, cli: Cli
) -> None:
    """The checkpoint of the Hub id would start with weights of bfloat16."""
    asked = ("fit", "qwen3-8b", *ON_ONE, "-e", engine, "-c", "16K", "-n", "4", "--json")
    flags = json.loads(cli(*asked, "--weights-dtype", weights).out)["flags"]
    assert flags.startswith(line)
    assert f"# MODEL holds its weights in {weights}" in flags
    as_published = json.loads(cli(*asked).out)["flags"]
    assert "MODEL" not in as_published


VLLM, SGLANG = "vllm serve Qwen/Qwen3-8B", "python -m sglang.launch_server --model Qwen/Qwen3-8B"
FORMAT, SHARE = "stores the weights in another format", "how much of the weights the GPUs hold"


@pytest.mark.parametrize(
    ("line", "why", "weights"),
    [
        (f"{VLLM} --quantization fp8", FORMAT, ("--weights-dtype", "fp8")),
        (f"{VLLM} -q fp8", FORMAT, ("--weights", "9GB")),
        (f"{VLLM} --cpu-offload-gb 10", SHARE, ("--weights", "6GB")),
        (f"{VLLM} --enable-eplb", SHARE, ("--weights", "17GB")),
        (f"{SGLANG} --quantization fp8", FORMAT, ("--weights-dtype", "fp8")),
        (f"{SGLANG} --torchao-config int8wo", FORMAT, ("--weights", "9GB")),
        (f"{SGLANG} --cpu-offload-gb 4", SHARE, ("--weights", "12GB")),
    ],
)
def test_a_flag_that_loads_other_weights_needs_their_size(
    line: str, why: str, weights: tuple[str, ...], cli: Cli
) -> None:
    outcome = cli("fit", "--from", line, *ON_ONE)
    assert (outcome.code, outcome.out) == (2, "")
    assert why in outcome.err
    assert cli("fit", "--from", line, *ON_ONE, *weights).code == 0
    assert cli("estimate", "--from", line).code == 0  # no cache depends on it


@pytest.mark.parametrize(
    "line",
    [
        f"{VLLM} --cpu-offload-gb 0",
        f"{VLLM} --no-enable-eplb",
        "vllm serve openai/gpt-oss-20b --quantization mxfp4",
    ],
)
def test_a_flag_that_changes_nothing_of_the_weights_is_no_refusal(line: str, cli: Cli) -> None:
    assert cli("fit", "--from", line, *ON_ONE).code == 0


@pytest.mark.parametrize(
    "asked",
    [
        ("trace", "tests/oracles/traces/azure_code.csv"),
        ("replay", "tests/oracles/traces/replay/multi_turn_long.jsonl"),
        ("plot", "-c", "8K"),
        ("diff", "vllm@0.31.0", "vllm@0.33.0"),
    ],
)
def test_every_command_that_loads_weights_asks_for_them(asked: tuple[str, ...], cli: Cli) -> None:
    outcome = cli(*asked, "--from", f"{VLLM} --quantization fp8", "--gpu", "h100")
    assert (outcome.code, outcome.out) == (2, "")
    assert FORMAT in outcome.err
    assert outcome.err.endswith("give --weights 240GB, or --weights-dtype\n")


def test_the_slots_of_llama_server_are_what_is_asked_about(cli: Cli) -> None:
    """It makes room for as many as -np says: more would be another server."""
    line = "llama-server -m Qwen3-8B.gguf -c 65536 -np 4"
    found = json.loads(cli("fit", "--from", line, *ON_ONE, "--json").out)
    assert (found["context"], found["sequences"]) == (16_384, 4)
    assert found["flags"].endswith("--ctx-size 65536 --parallel 4")
