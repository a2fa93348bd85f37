"""What a command imports before it answers: a cold start is mostly imports."""

import subprocess
import sys

import pytest

RUN = """
import sys
sys.argv = ["kvcalc", *sys.argv[1:]]
from kvcalc.cli.app import run
run()
print(*sys.modules, file=sys.stderr)
"""

PROGRAMS = {"asyncio", "socket", "importlib.metadata", "email", "zipfile", "http"}
"""What no arithmetic needs. `subprocess` is not here: typer itself imports it."""

ENGINES = {"kvcalc.engines.sglang", "kvcalc.engines.llama_cpp", "kvcalc.engines.mlx"}
READERS = {"kvcalc.readers.hub", "kvcalc.readers.huggingface", "kvcalc.readers.gguf"}
UNNEEDED = PROGRAMS | ENGINES | READERS | {"numpy", "polars", "duckdb", "typer._adapters"}

COMMANDS = {
    "--help": {"rich", "pydantic", "kvcalc.model", "kvcalc.engines"},
    "estimate --help": {"rich", "kvcalc.catalogue.preset"},
    "models": {"kvcalc.catalogue.preset", "kvcalc.engines.vllm", "kvcalc.engines.server"},
    "models --json": {"rich", "kvcalc.catalogue.preset", "kvcalc.engines.vllm"},
    "estimate k-exaone-236b-a23b --json": {
        *("rich", "csv", "kvcalc.catalogue.preset", "kvcalc.readers.shape", "kvcalc.outputs.page"),
        *("kvcalc.explanation", "kvcalc.engines.server", "kvcalc.engines.releases"),
    },
    "plot llama-3.1-8b --json": {"rich", "csv", "vl_convert", "kvcalc.outputs.plot.terminal"},
    "estimate k-exaone-236b-a23b -e vllm": {"csv", "kvcalc.catalogue.preset"},
}
"""Commands, each with what it does without beside what none of them needs."""


def imported(*command: str) -> set[str]:
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(run.stderr.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_nothing_that_it_does_not_need(command: str) -> None:
    loaded = imported(sys.executable, "-c", RUN, *command.split())
    assert "typer" in loaded
    assert loaded & (UNNEEDED | COMMANDS[command]) == set()


def test_import_kvcalc_imports_nothing_of_others() -> None:
    statement = "import sys, kvcalc; print(*sys.modules, file=sys.stderr)"
    assert imported(sys.executable, "-c", statement) & {"typing", "pydantic", "typer"} == set()
