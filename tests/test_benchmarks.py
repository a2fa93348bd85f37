"""Every benchmark runs, at its least size; what it measures there means nothing."""

import runpy
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from kvcalc.cli.app import COMMANDS
from tests.benchmarks import floor

BENCHMARKS = Path(__file__).with_name("benchmarks")
MOONCAKE = Path(__file__).parent / "oracles" / "traces" / "mooncake.jsonl"
LEAST = {
    "check": ["1"],
    "evaluation": ["1"],
    "fit": ["0", "1"],
    "floor": ["show"],
    "gguf": ["100"],
    "plot": ["0"],
    "reading": ["1"],
    "replay": ["{trace}", "1"],
    "sheet": ["1", "1"],
    "start_up": ["0", "import kvcalc"],
    "trace": ["1000"],
    "vectors": ["1", "1000"],
    "vllm_memory": [],
}
"""The arguments of the least size."""

IN_A_BROWSER = {"page"}
"""Those that tests/browser runs, in the browser that it has started."""


def test_each_benchmark_is_here() -> None:
    assert LEAST.keys() | IN_A_BROWSER == {path.stem for path in BENCHMARKS.glob("*.py")}


def test_the_floor_has_as_many_commands_as_kvcalc() -> None:
    assert len(COMMANDS) == floor.COMMANDS


@pytest.mark.parametrize("name", LEAST)
def test_a_benchmark_runs(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, trace = BENCHMARKS / f"{name}.py", tmp_path / "mooncake.jsonl"
    trace.write_text("".join(MOONCAKE.read_text().splitlines(keepends=True)[:10]))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [str(path), *(one.format(trace=trace) for one in LEAST[name])])
    with suppress(SystemExit):  # of a limit that is passed, as it is of the whole size
        runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
