"""`kvcalc page`: its file, what stands in it, and what it refuses."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kvcalc.errors import UnsupportedError
from tests.conftest import Cli


def data_of(path: Path) -> dict[str, Any]:
    """What a page's script reads."""
    (data,) = re.findall(
        r'<script id="data" type="application/json">(.*?)</script>', path.read_text()
    )
    found: dict[str, Any] = json.loads(data)
    return found


def test_it_writes_a_page_that_says_how_it_was_made(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    asked = ("page", "llama-3.1-8b", "-e", "vllm,ideal", "-c", "8K", "-n", "3", "-d", "FP8")
    outcome = cli(*asked, "--tp", "2,1", "-o", str(path))
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    data = data_of(path)
    assert data["command"] == f"kvcalc {' '.join(asked)} --tp 2,1 -o {path}"
    assert [one["name"] for one in data["engines"]] == ["vllm", "ideal"]
    assert (data["dtypes"], data["ranks"]) == (["FP8", ""], [2, 1])
    assert (data["context"], data["sequences"], data["window"]) == (8192, 3, None)


def test_settings_and_a_gpu_go_to_the_engines_that_have_them(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    given = ("--block-size", "32", "--gpu", "L4", "--set", "page_size=64")
    outcome = cli("page", "llama-3.1-8b", "-e", "vllm,sglang", *given, "-o", str(path))
    assert (outcome.code, outcome.err) == (0, "")
    data = data_of(path)
    options = {one["name"]: one["options"] for one in data["engines"]}
    assert options == {
        "vllm": "--set block_size=32 --gpu l4",
        "sglang": "--set page_size=64 --gpu l4",
        "ideal": "",
    }


def test_it_starts_as_a_servers_line_says(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    line = "vllm serve k-exaone-236b-a23b -tp 4 --kv-cache-dtype fp8 --max-model-len 64K"
    assert cli("page", "--from", line, "-o", str(path)).code == 0
    data = data_of(path)
    assert [one["name"] for one in data["models"]] == ["K-EXAONE-236B-A23B"]
    assert [one["name"] for one in data["engines"]] == ["vllm", "ideal"]
    assert (data["dtypes"], data["ranks"], data["context"]) == (["fp8", ""], [4], 64 * 1024)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["-o", "plan.xlsx"], "output 'plan.xlsx': expected a name that ends in .html"),
        (["-o", "there.html"], "output 'there.html': exists; --force replaces it"),
        (["-e", "vlm", "-o", "plan.html"], "engine 'vlm' is unknown; did you mean vllm"),
        (["--tp", "1,x", "-o", "plan.html"], "tensor_parallel_size: found 'x', expected a whole"),
        (["-c", "0", "-o", "plan.html"], "--context: found '0', expected at least 1"),
        (["--gpu", "h2000", "-o", "plan.html"], "GPU 'h2000' is unknown"),
        (["-e", "vllm", "--set", "block_size=-1", "-o", "plan.html"], "block_size"),
        (["-e", "vllm", "--set", "page_size=1", "-o", "plan.html"], "no engine that is compared"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.html").write_text("mine")
    outcome = cli("page", "llama-3.1-8b", *asked)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert [one.name for one in tmp_path.iterdir()] == ["there.html"]
    assert (tmp_path / "there.html").read_text() == "mine"


def test_a_refusal_by_every_engine_that_is_asked_for_is_the_first_one(
    cli: Cli, tmp_path: Path
) -> None:
    outcome = cli("page", "gemma-3-27b", "-e", "mlx", "--tp", "2", "-o", str(tmp_path / "a.html"))
    assert outcome.err.startswith("kvcalc: Gemma-3-27B on mlx: tensor_parallel_size: ")
    assert isinstance(outcome.error, UnsupportedError)
    assert vars(outcome.error) == {"engine": "mlx", "what": "tensor_parallel_size"}


def test_force_replaces_a_page(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    path.write_text("old")
    assert cli("page", "llama-3.1-8b", "-e", "ideal", "-o", str(path), "--force").code == 0
    assert data_of(path)["models"][0]["name"] == "Llama-3.1-8B"


def test_a_window_that_no_model_takes_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = str(tmp_path / "plan.html")
    outcome = cli("page", "llama-3.1-8b", "-e", "ideal", "-w", "128", "-o", path)
    assert outcome.code == 2
    assert "has no sliding layers" in outcome.err
    both = ("page", "llama-3.1-8b", "gpt-oss-20b", "-e", "ideal", "-w", "256", "-o", path)
    assert cli(*both).code == 0
