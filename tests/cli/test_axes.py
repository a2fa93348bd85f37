"""Lists of anything make a table, and a model alone is an estimate."""

import json
import shlex

import pytest
from syrupy.assertion import SnapshotAssertion

from kvcalc.cli.app import understood
from tests.conftest import Cli

EXAONE = "k-exaone-236b-a23b"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", "--help"),
        ("-h", "-h"),
        ("-V", "-V"),
        ("help", "--help"),
        ("help fit", "fit --help"),
        ("list", "models"),
        ("version", "--version"),
        (f"{EXAONE} -c 8K", f"estimate {EXAONE} -c 8K"),
        ("org/name", "estimate org/name"),
        ("lama-3.1-8b", "estimate lama-3.1-8b"),
        ("--layers 2", "estimate --layers 2"),
        ("--install-completion", "--install-completion"),
        ("--show-completion", "--show-completion"),
        ("sweep x", "sweep x"),
        ("estimat x", "estimat x"),
        ("frobnicate", "frobnicate"),
    ],
)
def test_words_without_a_command_are_understood(typed: str, meant: str) -> None:
    assert understood(typed.split()) == meant.split()


def test_short_options_are_the_long_ones(cli: Cli) -> None:
    assert cli("-V") == cli("--version")
    assert cli("fit", "-h") == cli("fit", "--help") == cli("help", "fit")
    assert cli(EXAONE) == cli("estimate", EXAONE)


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("estimate qwen3-32b -c 8K -c 16K", 2),
        ("estimate qwen3-32b llama-3.1-8b", 2),
        ("estimate qwen3-32b -e vllm,sglang -n 1,16", 4),
        ("estimate qwen3-32b --tp 1,8", 2),
        (f"estimate {EXAONE} -w 4096 -w 128", 2),
        ("sweep qwen3-32b -d bf16,fp8 -e vllm,sglang -n 1,16 -c 8K", 8),
        ("sweep qwen3-32b llama-3.1-8b -e llama.cpp -d f16,q8_0 -c 8K..32K", 12),
    ],
)
def test_every_combination_is_a_row_as_it_is_alone(cli: Cli, typed: str, rows: int) -> None:
    found = json.loads(cli(*shlex.split(typed), "--json").out)
    assert len(found) == rows
    for row in found:
        settings = row["settings"]
        ranks = settings.get("tensor_parallel_size", 1)
        window = ("-w", f"{row['window']}") if row["window"] else ()
        alone = cli(
            *("estimate", row["model"], "-e", row["engine"], "-d", row["kv_cache_dtype"]),
            *("-c", f"{row['context']}", "-n", f"{row['sequences']}", "--tp", f"{ranks}"),
            *(*window, "--json"),
        )
        assert json.loads(alone.out)["bytes"] == row["bytes"]


@pytest.mark.parametrize(
    "typed",
    [
        "sweep qwen3-32b -e llama.cpp -d f16,q8_0,q4_0 -c 8K..64K",
        "sweep qwen3-32b -d bf16,fp8 -e vllm,sglang -n 1,16 -c 8K",
        f"sweep {EXAONE} -e vllm,ideal -c 8K,256K",
        "estimate qwen3-32b llama-3.1-8b -e vllm",
        f"estimate {EXAONE} -e vllm --tp 1,8",
    ],
)
def test_what_people_see(cli: Cli, typed: str, snapshot: SnapshotAssertion) -> None:
    assert cli(*typed.split()).out == snapshot


def test_what_one_combination_refuses_is_named_and_the_others_are_answered(cli: Cli) -> None:
    outcome = cli(
        "sweep", "qwen3-32b", "-e", "vllm,llama.cpp", "-d", "fp8,q8_0", "-c", "8K", "--json"
    )
    assert outcome.code == 0
    assert [(row["engine"], row["kv_cache_dtype"]) for row in json.loads(outcome.out)] == [
        ("vllm", "fp8"),
        ("llama.cpp", "q8_0"),
    ]
    assert outcome.err.count("kvcalc: warning: Qwen3-32B on ") == 2
    refused = cli("sweep", "qwen3-32b", "-e", "vllm,sglang", "-d", "q8_0", "-c", "8K")
    assert (refused.code, refused.out) == (2, "")


@pytest.mark.parametrize(
    "command", ["estimate", "sweep", "explain", "compare", "fit --gpu h200", "show"]
)
def test_a_servers_line_names_the_model_on_every_command(cli: Cli, command: str) -> None:
    line = ("--from", "vllm serve llama-3.1-8b --max-model-len 8192")
    outcome = cli(*command.split(), *line)
    assert outcome.code == 0
    assert "Llama-3.1-8B" in outcome.out


def test_behind_a_line_all_words_are_traces(cli: Cli) -> None:
    rates = ("--prefill-rate", "8000", "--decode-rate", "40", "-f", "csv")
    trace = "tests/oracles/traces/azure_code.csv"
    line = cli("trace", "--from", "vllm serve llama-3.1-8b", trace, *rates)
    assert line.code == 0
    assert line.out == cli("trace", "llama-3.1-8b", trace, "-e", "vllm", *rates).out
