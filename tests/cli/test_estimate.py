"""`kvcalc estimate`: one context."""

import csv
import io
import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli
from tests.shapes import PRESET

KEXAONE = "k-exaone-236b-a23b"


def test_a_context_is_answered_to_the_byte(cli: Cli) -> None:
    outcome = cli("estimate", KEXAONE, "-c", "256K", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    answer = json.loads(outcome.out)
    assert answer["bytes"] == answer["bytes_per_gpu"] == 12_903_776_256


def test_json_is_one_object_of_the_contracts_fields(cli: Cli) -> None:
    answer = json.loads(cli("estimate", KEXAONE, "-c", "8K", "--json").out)
    assert list(answer) == [
        "model",
        "engine",
        "engine_version",
        "context",
        "sequences",
        "window",
        "kv_cache_dtype",
        "settings",
        "bytes",
        "bytes_per_gpu",
        "formula",
        "groups",
    ]
    assert [list(group) for group in answer["groups"]] == [
        ["kind", "layers", "window", "bytes"]
    ] * 2
    assert {group["kind"]: group["window"] for group in answer["groups"]} == {
        "full_attention": None,
        "sliding_attention": 128,
    }


@pytest.mark.parametrize("form", ["table", "csv", "json", "md"])
def test_every_form_is_what_people_see(cli: Cli, form: str, snapshot: SnapshotAssertion) -> None:
    outcome = cli("estimate", KEXAONE, "-c", "256K", "-f", form)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == snapshot


def test_json_has_two_spellings(cli: Cli) -> None:
    asked = ("estimate", KEXAONE, "-c", "8K")
    assert cli(*asked, "--json") == cli(*asked, "-f", "json") == cli(*asked, "--json", "-fjson")


def test_csv_is_one_row(cli: Cli) -> None:
    out = cli("estimate", KEXAONE, "-c", "8K", "-f", "csv").out
    (row,) = csv.DictReader(io.StringIO(out, newline=""))
    assert (row["context"], row["bytes"]) == ("8192", "421527552")
    assert "groups" not in row


def test_the_context_is_the_models_maximum_unless_given_and_that_is_said(cli: Cli) -> None:
    unasked, asked = cli("estimate", KEXAONE).out, cli("estimate", KEXAONE, "-c", "256K").out
    assert unasked == asked.replace("262,144 tokens", "262,144 tokens (its maximum)")


@pytest.mark.parametrize(
    "options",
    [
        ("-c", "8K", "-n", "16", "-w", "4096", "-d", "bf16", "-e", "ideal"),
        ("--context", "8192", "--sequences", "16", "--window", "4K", "--kv-cache-dtype", "bf16"),
        ("--max-model-len", "8K", "--sequences", "16", "-w", "4,096", "--engine", "ideal"),
        ("-c8K", "--parallel", "16", "-w4096", "--set", "kv_cache_dtype=bf16"),
        ("-c8K", "-n16", "-w4096", "--set", "kv-cache-dtype=bf16", "--tp", "1"),
    ],
    ids=["short", "long", "vLLM's", "llama.cpp's", "set"],
)
def test_an_option_answers_to_each_of_its_names(cli: Cli, options: tuple[str, ...]) -> None:
    outcome = cli("estimate", KEXAONE, *options, "--json")
    assert (outcome.code, json.loads(outcome.out)["bytes"]) == (0, 16 * 1_006_632_960)


@pytest.mark.parametrize(
    "options",
    [("--tp", "8"), ("--tensor-parallel-size", "8"), ("--set", "tensor_parallel_size=8")],
    ids=["tp", "long", "set"],
)
def test_ranks_share_the_cache(cli: Cli, options: tuple[str, ...]) -> None:
    answer = json.loads(cli("estimate", KEXAONE, "-c", "256K", *options, "--json").out)
    assert answer["bytes_per_gpu"] * 8 == answer["bytes"] == 12_903_776_256
    assert answer["settings"] == {"tensor_parallel_size": 8}


def test_a_model_may_be_given_by_its_shape_alone(cli: Cli) -> None:
    shape = ("--layers", "48", "--pattern", "LLLG", "--kv-heads", "8", "--head-dim", "128")
    answer = json.loads(cli("estimate", *shape, "-w", "128", "-c", "256K", "--json").out)
    assert answer["bytes"] == 12_903_776_256


def test_a_shape_takes_a_value_size_an_element_type_and_a_maximum(cli: Cli) -> None:
    shape = ("--layers", "2", "--kv-heads", "1", "--head-dim", "192", "--v-head-dim", "128")
    more = ("--dtype", "fp8", "--max-context", "32K", "--json")
    answer = json.loads(cli("estimate", *shape, *more).out)
    assert answer["context"] == 32_768
    assert answer["bytes"] == 2 * 32_768 * (192 + 128)


def test_a_context_of_any_size_is_exact(cli: Cli) -> None:
    outcome = cli("estimate", "llama-3.1-405b", "-c", "1" + "0" * 30, "--json")
    assert json.loads(outcome.out)["bytes"] == 516_096 * 10**30


def test_a_context_past_the_models_maximum_is_answered_with_one_warning(cli: Cli) -> None:
    outcome = cli("estimate", KEXAONE, "-c", "512K", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["context"] == 524_288
    assert outcome.err == (
        "kvcalc: warning: a context of 524,288 tokens is past the 262,144 that "
        "K-EXAONE-236B-A23B was made for\n"
    )


@pytest.mark.parametrize("name", ["[bold red]x[/]", "=1+1", "x|y", ":boom:"])
def test_a_models_name_is_text_in_every_form(cli: Cli, tmp_path: Path, name: str) -> None:
    file = tmp_path / "named.toml"
    file.write_text(PRESET.replace("Test-1B", name))
    asked = ("estimate", str(file), "-c", "8K", "-f")
    assert f"KV cache of {name} on ideal" in cli(*asked, "table").out
    assert json.loads(cli(*asked, "json").out)["model"] == name
    (row,) = csv.DictReader(io.StringIO(cli(*asked, "csv").out, newline=""))
    assert row["model"] == (f"'{name}" if name.startswith("=") else name)
    markdown = name.replace("[", "\\[").replace("|", "\\|")
    assert f"KV cache of {markdown} on ideal" in cli(*asked, "md").out


def test_beside_recurrent_layers_the_bound_of_vllms_sequences_is_said(cli: Cli) -> None:
    model = "tests/oracles/configs/Qwen--Qwen3.5-27B.json"
    outcome = cli("estimate", model, "-e", "vllm@0.28.0", "-c", "8K", "--json")
    assert outcome.code == 0
    assert "its own 1,024 need 52,613,349,376 (49.00 GiB) of cache memory per GPU" in outcome.err
    assert cli("estimate", model, "-e", "vllm@0.19.1", "-c", "8K", "--json").err == ""
