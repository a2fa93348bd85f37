"""Help, version and completion."""

import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version

import pytest

from kvcalc.catalogue.models import names
from kvcalc.cli.options import GPU
from tests.conftest import Cli

COMMANDS = ["estimate", "sweep", "compare", "explain", "engines", "models"]


def completed(line: str) -> list[str]:
    """What bash offers for the last word of a line."""
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['kvcalc']; import kvcalc.__main__"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "_KVCALC_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
    )
    return ran.stdout.split()


def test_the_version_is_the_packages(cli: Cli) -> None:
    outcome = cli("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"kvcalc {version('kvcalc')}\n", "")


def test_nothing_asked_is_answered_with_the_help(cli: Cli) -> None:
    assert cli() == cli("--help")


def test_help_names_every_command(cli: Cli) -> None:
    outcome = cli("--help")
    assert (outcome.code, outcome.err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in outcome.out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_screen(cli: Cli, command: str) -> None:
    lines = cli(*command.split(), "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= (32 if not command else 50)


AS_STARTED = {"estimate", "sweep", "explain", "formula"}
ON_A_CARD = {*AS_STARTED, "compare", "diff", "fill", "fit", "replay", "sheet", "trace"}


def test_an_option_means_one_thing_on_every_command(cli: Cli) -> None:
    commands = cli("--help").out.partition("Commands:")[2].splitlines()
    listed = [line.split()[0] for line in commands if re.match(r"  \w", line)]
    helps = {name: " ".join(cli(name, "--help").out.split()) for name in listed}

    def having(option: str) -> set[str]:
        return {name for name, text in helps.items() if f" {option} " in text}

    assert having("--gpu") == ON_A_CARD
    assert {name for name, text in helps.items() if GPU in text} == ON_A_CARD
    assert having("--from") == {*AS_STARTED, "compare", "fit", "show", "trace"}
    assert having("--csv") == {"sheet"}
    assert having("--since") == having("--until") == having("--timeline") == {"trace"}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_an_example_that_works(cli: Cli, command: str) -> None:
    lines = cli(*command.split(), "--help").out.splitlines()
    (example,) = [line.strip() for line in lines if line.strip().startswith("kvcalc ")]
    outcome = cli(*shlex.split(example)[1:])
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kvcalc s", ["schema", "sheet", "show", "skill", "sweep"]),
        ("kvcalc sweep k-ex", ["k-exaone-236b-a23b"]),
        ("kvcalc estimate gpt-oss-", ["gpt-oss-120b", "gpt-oss-20b"]),
        ("kvcalc estimate zzz", []),
        ("kvcalc sweep x -e ide", ["ideal"]),
        ("kvcalc sweep x -d bf", ["bfloat16", "bf16"]),
    ],
)
def test_completion_offers(line: str, offered: list[str]) -> None:
    assert sorted(completed(line)) == sorted(offered)


def test_completion_offers_every_preset() -> None:
    assert sorted(completed("kvcalc sweep ")) == names()
