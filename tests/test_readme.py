"""Every example of the README and of the pages beside it, executed."""

import doctest
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.generate_reference import PAGE, reference

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / ".github" / "docs").glob("*.md"))
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (README, *DOCS)}
BLOCKS: dict[str, list[tuple[str, str]]] = {
    name: re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S) for name, text in PAGES.items()
}
PYTHON = {
    name: "\n".join(body for language, body in blocks if language == "python")
    for name, blocks in BLOCKS.items()
    if any(language == "python" for language, _ in blocks)
}


def examples(console: str) -> list[tuple[str, str]]:
    """Split a console block into its commands, each with the output shown beneath it."""
    pieces = re.split(r"^\$ (.*)\n", console, flags=re.M)
    assert pieces[0] == ""
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


COMMANDS = [
    example
    for blocks in BLOCKS.values()
    for language, body in blocks
    if language == "console"
    for example in examples(body)
]


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_a_command_prints_what_is_shown(cli: Cli, command: str, shown: str) -> None:
    program, *arguments = shlex.split(command)
    outcome = cli(*arguments)
    assert program == "kvcalc"
    assert outcome.err + outcome.out.replace("\r\n", "\n") == shown


@pytest.mark.parametrize("page", PYTHON)
def test_every_python_example_prints_what_is_shown(page: str) -> None:
    parsed = doctest.DocTestParser().get_doctest(PYTHON[page], {}, page, page, 0)
    assert parsed.examples
    report: list[str] = []
    results = doctest.DocTestRunner().run(parsed, out=report.append)
    assert results.failed == 0, "".join(report)


INSTALLS = "README.md"
"""Its first two blocks are continuous integration's; installing again would test pip."""
LINES = [
    body
    for page, blocks in BLOCKS.items()
    if page != INSTALLS
    for language, body in blocks
    if language == "sh"
]


@pytest.mark.parametrize("lines", LINES)
def test_a_shells_lines_run(
    cli: Cli, lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of kvcalc alone in this process, all others in a shell."""
    commands = [shlex.split(line) for line in lines.splitlines()]
    if all(words[0] == "kvcalc" and {*"&|;"}.isdisjoint(words) for words in commands):
        monkeypatch.chdir(tmp_path)
        for _, *arguments in commands:
            outcome = cli(*arguments)
            assert (outcome.code, outcome.err) == (0, "")
        assert any(tmp_path.iterdir())
        return
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert any(tmp_path.iterdir())


def test_every_extra_that_is_named_can_be_installed() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for text in PAGES.values():
        for named in re.findall(r"'(?:\.|kvcalc)\[([\w,]+)\]'", text):
            assert set(named.split(",")) <= set(extras), named


def test_the_first_two_blocks_set_up_and_answer_and_set_up_and_test() -> None:
    first, second = [(language, body.splitlines()) for language, body in BLOCKS["README.md"][:2]]
    assert first[0] == second[0] == "sh"
    assert len(first[1]) == len(second[1]) == 1
    assert first[1][0].endswith("kvcalc sweep k-exaone-236b-a23b")
    assert ".venv/bin/pytest" in second[1][0]


def test_continuous_integration_runs_the_second_line_as_it_stands() -> None:
    assert BLOCKS["README.md"][1][1].strip() in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("page", PAGES)
def test_every_path_named_is_there(page: str) -> None:
    text = re.sub(r"^```\w+\n.*?^```$", "", PAGES[page], flags=re.M | re.S)
    for path in re.findall(r"`((?:kvcalc|presets|tests)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (ROOT / page).parent.joinpath(link).exists(), link


def test_the_readme_is_short_and_links_every_page() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 250
    for page in PAGES:
        assert page == "README.md" or f"]({page})" in PAGES["README.md"], page


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_of_one_width(page: str) -> None:
    text = re.sub(r"^```\w+\n.*?^```$", "", PAGES[page], flags=re.M | re.S)
    for line in text.splitlines():
        assert len(line) <= 120 or line.startswith("|"), line


def test_the_reference_says_what_the_docstrings_say() -> None:
    assert reference() == PAGE.read_text(), "run python tests/generate_reference.py"
