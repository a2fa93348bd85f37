"""Every benchmark runs, at its least size; what it measures there means nothing."""

import runpy
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from kvcalc.cli.app import COMMANDS
from tests.benchmarks import floor

BENCHMARKS = Path(__file__).with_name("benchmarks")
LEAST = {
    "check": ["1"],
    "evaluation": ["1"],
    "fit": ["0", "1"],
    "floor": ["show"],
    "gguf": ["100"],
    "plot": ["0"],
    "page": ["1", "2"],
    "reading": ["1"],
    "replay": ["tests/oracles/traces/mooncake.jsonl", "1"],
    "sheet": ["1", "1"],
    "start_up": ["0", "import kvcalc"],
    "trace": ["1000"],
    "vectors": ["1", "1000"],
    "vllm_memory": [],
}
"""The arguments of the least size."""


def test_each_benchmark_is_here() -> None:
    assert set(LEAST) == {path.stem for path in BENCHMARKS.glob("*.py")}


def test_the_floor_has_as_many_commands_as_kvcalc() -> None:
    assert len(COMMANDS) == floor.COMMANDS


@pytest.mark.parametrize("name", LEAST)
def test_a_benchmark_runs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = BENCHMARKS / f"{name}.py"
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [str(path), *LEAST[name]])
    with suppress(SystemExit):  # of a limit that is passed, as it is of the whole size
        runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
