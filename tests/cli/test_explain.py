"""`kvcalc explain`: the derivation, its number, and the setting that would change it most."""

import csv
import io
import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"
QWEN = str(Path(__file__).parents[1] / "oracles" / "configs" / "Qwen--Qwen3.5-27B.json")


@pytest.mark.parametrize("form", ["table", "md", "json"])
def test_what_people_see(cli: Cli, snapshot: SnapshotAssertion, form: str) -> None:
    outcome = cli("explain", KEXAONE, "-e", "vllm", "-c", "256K", "-f", form)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == snapshot


def test_csv_is_a_row_a_step(cli: Cli) -> None:
    out = cli("explain", KEXAONE, "-e", "vllm", "-c", "256K", "-f", "csv").out
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert list(rows[0]) == ["kind", "layers", "step", "working", "value", "unit"]
    totals = [int(row["value"]) for row in rows if row["step"] == "all of them"]
    assert sum(totals) == 15_322_054_656
    assert {row["kind"]: row["layers"] for row in rows} == {
        "sliding_attention": "36",
        "full_attention": "12",
        "all": "48",
    }


def test_the_lever_is_spelled_as_the_engines_own_flag(cli: Cli) -> None:
    out = cli("explain", KEXAONE, "-e", "vllm", "-c", "256K").out
    assert "what would change it most: --max-num-batched-tokens 2048: 13,510,115,328 B\n" in out


@pytest.mark.parametrize(
    ("engine", "flag"),
    [
        ("llama.cpp", "--kv-unified"),
        ("sglang", "--disable-radix-cache"),
        ("lmdeploy", "--cache-block-seq-len 16"),
    ],
)
def test_every_engines_flags_are_its_own(cli: Cli, engine: str, flag: str) -> None:
    model = {"sglang": QWEN}.get(engine, "gpt-oss-20b")
    asked = ("explain", model, "-e", engine, "-c", "1000", "-n", "4", "--json")
    found = json.loads(cli(*asked).out)
    assert found["lever"]["flag"] == flag
    assert found["lever"]["bytes"] < found["bytes"]


def test_what_no_lever_lowers_has_none(cli: Cli) -> None:
    found = json.loads(cli("explain", "llama-3.1-8b", "-e", "vllm", "-c", "8K", "--json").out)
    assert found["lever"] is None


def test_stages_are_told_apart(cli: Cli, snapshot: SnapshotAssertion) -> None:
    arguments = ("--tp", "4", "--set", "pipeline_parallel_size=2")
    assert cli("explain", KEXAONE, "-e", "vllm", "-c", "256K", *arguments).out == snapshot


@pytest.mark.parametrize("engine", ["ideal", "transformers", "sglang", "llama.cpp", "mlx"])
def test_the_steps_of_every_engine_end_in_its_estimate(cli: Cli, engine: str) -> None:
    asked = (KEXAONE, "-e", engine, "-c", "256K", "--json")
    found = json.loads(cli("explain", *asked).out)
    assert found["bytes"] == json.loads(cli("estimate", *asked).out)["bytes"]
    assert all(group["steps"] for group in found["groups"])
