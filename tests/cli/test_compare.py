"""`kvcalc compare`: forms, windows and refusals, as people see them."""

import json

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"


@pytest.mark.parametrize("form", ["table", "csv", "md"])
def test_what_people_see(cli: Cli, snapshot: SnapshotAssertion, form: str) -> None:
    outcome = cli("compare", KEXAONE, "-c", "256K", "-w", "4096,128", "-f", form)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == snapshot


def test_json_is_an_array_with_null_where_an_engine_refuses(cli: Cli) -> None:
    rows = json.loads(cli("compare", KEXAONE, "-c", "256K", "--json").out)
    by_engine = {row["engine"]: row for row in rows}
    assert by_engine["vllm"]["bytes"] == 15_322_054_656
    assert by_engine["vllm"]["error"] is None
    assert by_engine["tensorrt-llm"]["bytes"] is None
    assert "TRTLLM_WINDOW_SIZE_SHARES" in by_engine["tensorrt-llm"]["error"]


def test_some_engines_alone(cli: Cli) -> None:
    rows = json.loads(cli("compare", KEXAONE, "-c", "8K", "-e", "vllm,mlx", "--json").out)
    assert [row["engine"] for row in rows] == ["vllm", "mlx"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-e", "vlm"), "engine 'vlm' is unknown"),
        (("--set", "colour=red"), "no engine that is compared has the setting 'colour'"),
        (("--gpu", "h999"), "GPU 'h999' is unknown"),
        (("--set", "block_size=7"), "block_size: found 7, expected a multiple of 16"),
        (("-d", "nonsense"), "element type 'nonsense' is unknown"),
    ],
)
def test_bad_input(cli: Cli, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = cli("compare", KEXAONE, "-c", "8K", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err


def test_an_engine_named_twice_is_asked_once(cli: Cli) -> None:
    rows = json.loads(cli("compare", KEXAONE, "-c", "8K", "-e", "vllm,vllm", "--json").out)
    assert [row["engine"] for row in rows] == ["vllm"]


def test_a_release_that_a_line_names_is_its_own_engines(cli: Cli) -> None:
    line = f"docker run vllm/vllm-openai:v0.25.1 --model {KEXAONE} --max-model-len 8192"
    outcome = cli("compare", "--from", line, "--json")
    assert outcome.err == ""
    versions = {row["engine"]: row["engine_version"] for row in json.loads(outcome.out)}
    apart = {
        row["engine"]: row["engine_version"]
        for row in json.loads(cli("compare", KEXAONE, "-c", "8K", "--json").out)
    }
    assert versions == {**apart, "vllm": "0.25.1"}


def test_flags_of_any_engine_are_taken_where_all_are_compared(cli: Cli) -> None:
    rows = json.loads(cli("compare", KEXAONE, "--page-size", "64", "--json").out)
    assert {row["engine"] for row in rows if row["settings"]} == {"sglang"}
