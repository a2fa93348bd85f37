"""`kvcalc show`, as a person sees it."""

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli

CONFIGS = Path(__file__).parents[1] / "oracles" / "configs"


def test_a_preset_shows_its_layers_and_sources(cli: Cli, snapshot: SnapshotAssertion) -> None:
    outcome = cli("show", "qwen3-8b")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == snapshot


def test_an_unknown_model_type_is_noted_beside_the_answer(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CONFIGS)
    outcome = cli("show", "moonshotai--Kimi-K2-Instruct.json", "--json")
    assert outcome.code == 0
    assert outcome.err == "kvcalc: note: model type 'kimi_k2' is unknown: read by its keys alone\n"
    assert outcome.out.startswith("{")


def test_an_estimate_notes_how_its_model_was_read(cli: Cli) -> None:
    outcome = cli("estimate", str(CONFIGS / "moonshotai--Kimi-K2-Instruct.json"), "--json")
    assert "note: model type 'kimi_k2' is unknown" in outcome.err


def test_a_preset_file_is_written_of_any_model(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "written.toml"
    assert cli("show", "gpt-oss-20b", "--preset", "-o", str(path)).code == 0
    assert cli("estimate", str(path), "--json").out == cli("estimate", "gpt-oss-20b", "--json").out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--set", "tensor_parallel_size=2", "--tp", "4"], "is given by its own option too"),
        (["--set", "tensor_parallel_size=2", "--set", "tensor-parallel-size=4"], "is given twice"),
    ],
)
def test_a_setting_given_twice_is_refused(cli: Cli, options: list[str], sentence: str) -> None:
    outcome = cli("estimate", "llama-3.1-8b", *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
