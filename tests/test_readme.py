"""Every example of the README, executed."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)
CONSOLE = [body for language, body in BLOCKS if language == "console"]
PYTHON = "\n".join(body for language, body in BLOCKS if language == "python")


def examples(console: str) -> list[tuple[str, str]]:
    """Split a console block into its commands, each with the output shown beneath it."""
    pieces = re.split(r"^\$ (.*)\n", console, flags=re.M)
    assert pieces[0] == ""
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


COMMANDS = [example for console in CONSOLE for example in examples(console)]


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_a_command_prints_what_is_shown(cli: Cli, command: str, shown: str) -> None:
    program, *arguments = shlex.split(command)
    outcome = cli(*arguments)
    assert program == "kvcalc"
    assert outcome.err + outcome.out.replace("\r\n", "\n") == shown


def test_every_python_example_prints_what_is_shown() -> None:
    parsed = doctest.DocTestParser().get_doctest(PYTHON, {}, "README.md", "README.md", 0)
    assert parsed.examples
    report: list[str] = []
    results = doctest.DocTestRunner().run(parsed, out=report.append)
    assert results.failed == 0, "".join(report)


def test_the_first_two_blocks_set_up_and_answer_and_set_up_and_test() -> None:
    first, second = [(language, body.splitlines()) for language, body in BLOCKS[:2]]
    assert first[0] == second[0] == "sh"
    assert len(first[1]) == len(second[1]) == 1
    assert first[1][0].endswith("kvcalc sweep k-exaone-236b-a23b")
    assert ".venv/bin/pytest" in second[1][0]


def test_continuous_integration_runs_the_second_line_as_it_stands() -> None:
    assert BLOCKS[1][1].strip() in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_path_named_is_there() -> None:
    named = re.findall(r"`((?:kvcalc|presets|tests)/[\w./]*)`|\]\(([\w./]+)\)", README)
    assert named
    for path in filter(None, (name for pair in named for name in pair)):
        assert (ROOT / path).exists(), path
