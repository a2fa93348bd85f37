"""`kvcalc check`: a log's verdicts, its exit codes, and hostile logs."""

import io
import json
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

LINES = (
    "llama_kv_cache_iswa: creating non-SWA KV cache, size = 131072 cells\n"
    "llama_kv_cache: size = 3072.00 MiB (131072 cells,  12 layers,  1/1 seqs), "
    "K (f16): 1536.00 MiB, V (f16): 1536.00 MiB\n"
    "llama_kv_cache_iswa: creating     SWA KV cache, size = 2304 cells\n"
)


RELEASE = ("engine", "engine_version", "version_source", "remedies")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "server.log"
    path.write_text(LINES)
    return path


def test_json_is_an_array_of_verdicts(cli: Cli, log: Path) -> None:
    outcome = cli(
        "check", str(log), "--model", "gpt-oss-20b", "--set", "ubatch_size=2048", "--json"
    )
    rows = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (0, "")
    assert [list(row) for row in rows] == [
        [*("line", "figure", "printed", "ours", "verdict", "why"), *RELEASE]
    ] * 4
    assert [(row["line"], row["verdict"]) for row in rows] == [
        *((2, "agrees"), (2, "agrees"), (2, "agrees")),
        (3, "agrees"),
    ]


def test_a_figure_that_differs_is_exit_1_and_says_what_would_explain_it(
    cli: Cli, log: Path
) -> None:
    outcome = cli("check", str(log), "--model", "gpt-oss-20b")
    assert (outcome.code, outcome.err) == (1, "")
    assert "3 figures agree, 1 differs, 0 cannot be checked" in outcome.out
    assert "ubatch_size=2048 would explain it" in outcome.out


def test_what_cannot_be_checked_says_what_is_missing(cli: Cli, log: Path) -> None:
    outcome = cli("check", str(log))
    assert outcome.code == 0
    assert "the model is missing: give --model" in outcome.out


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_a_log_comes_from_stdin_too(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"GPU KV cache size: 16 tokens"))
    monkeypatch.setattr(sys, "stdin", stdin)
    outcome = cli("check", *arguments, "--json")
    assert json.loads(outcome.out)[0]["verdict"] == "cannot"


def test_control_codes_of_a_log_reach_no_terminal(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2Jlog"
    path.write_bytes(b"\x1b]0;title\x07\x1b[31mGPU KV cache size: 16 tokens\x1b[2J\n\x9b5m")
    for form in ("table", "json", "csv", "md"):
        outcome = cli("check", str(path), "-f", form)
        assert outcome.code == 0
        assert "\x1b[2J" not in outcome.out + outcome.err
        assert "\x07" not in outcome.out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"nothing that is known\n", "found no known line; expected a start-up log of"),
        (b"\x7fELF\0\0\0", "found a binary file, expected a text log"),
        (b"n_ctx = 512\n", "found no figure to check, only settings"),
    ],
)
def test_what_is_no_log_is_one_sentence(
    cli: Cli, tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(content)
    outcome = cli("check", str(path))
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_wrong_request_is_one_sentence(cli: Cli, log: Path, tmp_path: Path) -> None:
    for arguments, sentence in (
        ((str(tmp_path / "none"),), "found nothing, expected a file"),
        ((str(tmp_path),), "found something that is not a regular file"),
        ((str(log), "--model", "none-such"), "model 'none-such' is unknown"),
        ((str(log), "--set", "x"), "--set: found 'x', expected name=value"),
        ((str(log), "--set", "x=1"), "--set: llama.cpp has no 'x'"),
        ((str(log), "--model", "gpt-oss-20b", "--set", "ubatch_size=-1"), "a whole number"),
    ):
        outcome = cli("check", *arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert sentence in outcome.err


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        ("--gpu-memory-utilization 0.9", "--set gpu_memory_utilization=0.9"),
        (
            "--max-model-len 65536 --max-num-seqs 8",
            "--set max_model_len=65536 --set max_num_seqs=8",
        ),
    ],
)
def test_an_engines_flag_is_its_setting(cli: Cli, tmp_path: Path, typed: str, exact: str) -> None:
    log = tmp_path / "start.log"
    log.write_text(
        "Available KV cache memory: 3.40 GiB\nValueError: To serve at least one request with the "
        "models's max seq len (131072), (5.07 GiB KV cache is needed, which is larger than the "
        "available KV cache memory (3.40 GiB).\n"
    )
    asked = ("check", str(log), "--model", "gpt-oss-120b", "--set", "gpu=h100", "--json")
    expected = cli(*asked, *exact.split())
    assert expected.code in (0, 1)
    assert cli(*asked, *typed.split()) == expected
    assert cli(*asked) != expected
