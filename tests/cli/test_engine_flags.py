"""Flags of engines' servers, spelt as the servers spell them, among kvcalc's own options."""

import json
import shlex

import pytest

from kvcalc.engines import ENGINES, find
from tests.conftest import Cli

MODEL = "k-exaone-236b-a23b"


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        ("-e vllm --max-num-batched-tokens 2048", "-e vllm --set max_num_batched_tokens=2048"),
        ("-e vllm --max_num_batched_tokens=2048", "-e vllm --set max_num_batched_tokens=2048"),
        ("-e vllm --no-async-scheduling -w 64", "-e vllm --set async_scheduling=false -w 64"),
        (
            "-e vllm --speculative-config.method mtp",
            "-e vllm --set speculative_method=mtp",
        ),
        ("-e vllm --gpu-memory-utilization 0.95 --port 8000", "-e vllm"),
        (
            "-e vllm --kv-cache-dtype fp8 --kv-cache-dtype-skip-layers 0 1 --block-size 32",
            "-e vllm -d fp8 --set kv_cache_dtype_skip_layers=0,1 --set block_size=32",
        ),
        ("-e sglang --page-size 64 --mem-fraction-static .8", "-e sglang --set page_size=64"),
        (
            "-ctk q8_0 -ctv q4_0 -e llama.cpp",
            "-e llama.cpp --set cache_type_k=q8_0 --set cache_type_v=q4_0",
        ),
        ("-e llama.cpp --ctx-size 32768 -np 4", "-e llama.cpp -c 8192 -n 4"),
        ("-e mlx --prefill-step-size 512", "-e mlx --set prefill_step_size=512"),
        (
            "--from 'vllm serve x' --max-num-batched-tokens 2048",
            "-e vllm --set max_num_batched_tokens=2048",
        ),
        ("-e ollama -c 4K", "-e llama.cpp -c 4K"),
        (
            "-e ollama -c 4K -n 2",
            "-e llama.cpp -c 4K -n 2 --set ubatch_size=1024 --set batch_size=1024",
        ),
    ],
)
@pytest.mark.parametrize("command", ["estimate", "sweep", "explain"])
def test_a_flag_is_its_setting(cli: Cli, command: str, typed: str, exact: str) -> None:
    asked = (command, MODEL, "--json")
    outcome = cli(*asked, *shlex.split(typed))
    assert outcome.code == 0, outcome
    assert outcome.out == cli(*asked, *shlex.split(exact)).out


def test_flags_are_read_as_the_engines_release_reads_them(cli: Cli) -> None:
    """Before --fit there were 4,096 tokens for all slots of llama-server without -c."""
    asked = ("estimate", "qwen3-8b", "--json", "-e", "llama.cpp@b7000")
    assert cli(*asked, "-np", "4", "-kvo").out == cli(*asked, "-c", "1024", "-n", "4").out


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (
            "estimate x --max-num-batched-tokens 2048",
            "--max-num-batched-tokens: an option of vllm; give -e vllm",
        ),
        ("estimate x -e vllm -ctk q8_0", "-ctk: an option of llama.cpp, not of vllm"),
        ("fit x -e sglang --block-size 16", "--block-size: an option of vllm, not of sglang"),
        ("estimate x -e vllm --max-num-batch-tokens 8", "did you mean --max-num-batched-tokens"),
        ("estimate x -e vllm --block-size", "'--block-size' has no value"),
        (
            f"estimate {MODEL} -e vllm --block-size 32 --set block_size=16",
            "--set: block_size is given by its flag too; give one",
        ),
        (
            f"estimate {MODEL} -e llama.cpp --ctx-size 8K -c 8K",
            "--context: given by a flag of llama.cpp too; give one",
        ),
        (
            "check start.log -e vllm",
            "-e: found 'vllm', expected none: the log says which engine it is of",
        ),
        (
            "check start.log --engine=sglang@0.5.2",
            "--engine: found 'sglang@0.5.2', expected none: the log says which engine it is of",
        ),
        ("check start.log -e", "'start.log': found nothing"),
    ],
)
def test_a_flag_that_cannot_be_is_one_sentence(cli: Cli, typed: str, sentence: str) -> None:
    outcome = cli(*typed.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err


def test_a_context_of_each_sequence_is_llama_servers_of_all_slots(cli: Cli) -> None:
    outcome = cli("estimate", MODEL, "-e", "llama.cpp", "-ctk", "q8_0", "-c", "8K", "-n", "4")
    assert "-c 32,768 counts all slots, so each of 4 gets 8,192 tokens" in outcome.err
    assert "8,192 tokens, 4 sequences" in outcome.out


def test_engines_that_are_compared_each_take_their_own_flags(cli: Cli) -> None:
    flags = ("--page-size", "64", "--block-size", "32")
    rows = json.loads(cli("compare", MODEL, "-e", "vllm,sglang", *flags, "--json").out)
    assert [row["settings"] for row in rows] == [{"block_size": 32}, {"page_size": 64}]


def test_the_share_of_the_memory_is_fits(cli: Cli) -> None:
    asked = ("fit", MODEL, "--gpu", "h200", "--gpus", "4", "-e", "vllm", "--json")
    flag, setting = ("--gpu-memory-utilization", "0.8"), ("--set", "gpu_memory_utilization=0.8")
    assert cli(*asked, *flag).out == cli(*asked, *setting).out


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_flag_that_is_listed_is_taken(cli: Cli, name: str) -> None:
    server = find(name).server
    described = json.loads(cli("engines", name, "--json").out)
    flags = {flag for row in described["settings"] for flag in row["flags"].split()}
    assert flags <= (server.known if server else frozenset())
    memory = find(name).memory
    if server and memory and memory.share and server.share:
        share = next(row for row in described["settings"] if row["setting"] == memory.share)
        assert set(server.share) <= set(share["flags"].split())
