"""Help, version and completion."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from kvcalc.catalogue.models import names
from kvcalc.cli.app import COMMANDS as ALL
from kvcalc.cli.options import GPU
from tests.conftest import Cli

COMMANDS = [*ALL]

FILES = {"fill", "check", "replay", "skill", "trace"}
"""Commands whose examples read files, or a pipe."""

WITHOUT_FILES = [name for name in COMMANDS if name not in FILES]


BREAKS = re.compile("=|[^=]+")
"""How bash parts a word (COMP_WORDBREAKS)."""


Completed = Callable[..., list[str]]


def asked(line: str, shell: str) -> dict[str, str]:
    """What a shell's own script asks for the last word of a line."""
    words = [part for word in line.split(" ") for part in BREAKS.findall(word) or [""]]
    own = {
        "bash": {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    return {"_KVCALC_COMPLETE": f"complete_{shell}", **own[shell]}


def offered_in(text: str, shell: str) -> list[str]:
    if shell == "zsh":
        return re.findall(r'"([^"]+)"(?::"[^"]*")?', text)
    return [offered.partition("\t")[0] for offered in text.split("\n") if offered]


@pytest.fixture
def completed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Completed:
    """What a shell offers for the last word of a line."""

    def complete(line: str, shell: str = "bash") -> list[str]:
        for name, value in asked(line, shell).items():
            monkeypatch.setenv(name, value)
        return offered_in(cli().out, shell)

    return complete


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
def test_help_fits_a_screen(cli: Cli, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (80, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = cli(*command.split(), "--help").out.splitlines()
        assert max(map(len, lines)) <= columns
    assert len(lines) <= {"": 36, "fit": 60}.get(command, 52)


def test_help_has_the_options_in_the_order_of_their_use(cli: Cli) -> None:
    text = cli("fit", "--help").out
    places = [text.index(f"\n  {option}") for option in ("-c,", "-e,", "--gpu ", "-o,", "--layers")]
    assert places == sorted(places)


AS_STARTED = {"estimate", "sweep", "explain", "formula"}
ON_FILES = {"fill", "page", "replay", "sheet", "trace"}
ON_A_CARD = {*AS_STARTED, *ON_FILES, "compare", "diff", "fit", "plot"}


def test_an_option_means_one_thing_on_every_command(cli: Cli) -> None:
    commands = cli("--help").out.partition("Commands:")[2].splitlines()
    listed = [line.split()[0] for line in commands if re.match(r"  \w", line)]
    helps = {name: " ".join(cli(name, "--help").out.split()) for name in listed}

    def having(option: str) -> set[str]:
        return {name for name, text in helps.items() if f" {option} " in text}

    assert having("--gpu") == ON_A_CARD
    assert {name for name, text in helps.items() if GPU in text} == ON_A_CARD
    assert having("--from") == {*ON_A_CARD, "show"} - {"fill"}
    assert having("--csv") == {"sheet"}
    assert having("--since") == having("--until") == having("--timeline") == {"trace"}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_two_examples(cli: Cli, command: str) -> None:
    lines = cli(*command.split(), "--help").out.splitlines()
    examples = [line.strip() for line in lines if line.startswith("  kvcalc ")]
    assert len(examples) == 2
    assert all(line.split()[1] == command for line in examples if command)


@pytest.mark.parametrize("command", ["", *WITHOUT_FILES])
def test_examples_of_the_help_work(
    cli: Cli, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    lines = cli(*command.split(), "--help").out.splitlines()
    for example in (line.strip() for line in lines if line.startswith("  kvcalc ")):
        outcome = cli(*shlex.split(example)[1:])
        assert outcome.code in (0, 1), outcome
        assert outcome.out or " -o " in example or " --csv " in example


OFFERED = [
    ("kvcalc sw", ["sweep"]),
    ("kvcalc sweep k-ex", ["k-exaone-236b-a23b"]),
    ("kvcalc estimate gpt-oss-", ["gpt-oss-120b", "gpt-oss-20b"]),
    ("kvcalc estimate zzz", []),
    ("kvcalc sweep x -e ide", ["ideal"]),
    ("kvcalc sweep x -e vllm,sg", ["vllm,sglang"]),
    ("kvcalc sweep x -d bf", ["bfloat16", "bf16"]),
    ("kvcalc sweep x -e llama.cpp -d q8", ["q8_0"]),
    ("kvcalc fit x --gpu h100,h200", ["h100,h200"]),
    ("kvcalc fit x --gpu rtx-40", ["rtx-4070", "rtx-4080", "rtx-4080-super", "rtx-4090"]),
    ("kvcalc fit x --weights-dtype q4_k", ["q4_k_m", "q4_k_s"]),
    ("kvcalc formula x --as ex", ["excel"]),
    ("kvcalc formula x --dialect snow", ["snowflake"]),
    ("kvcalc estimate x -e vllm --set perf", ["performance_mode="]),
    ("kvcalc estimate x -f m", ["md"]),
    ("kvcalc k-ex", ["k-exaone-236b-a23b"]),
    ("kvcalc sho", ["show"]),
    ("kvcalc qwen3-32b -e llama.cpp -ctk q8", ["q8_0"]),
    ("kvcalc estimate x -e vllm --max-num-batched-t", ["--max-num-batched-tokens"]),
    ("kvcalc estimate x -e vllm --block-size 16 --set perf", ["performance_mode="]),
    ("kvcalc estimate x -e vllm --performance-mode i", ["interactivity"]),
    ("kvcalc estimate x -e vllm --block-size ", []),
    ("kvcalc estimate x -e vllm --block-size 16 -d fp8_e", ["fp8_e4m3", "fp8_e5m2"]),
    ("kvcalc fit x -e sglang --mem-f", ["--mem-fraction-static"]),
    ("kvcalc compare x --page-s", ["--page-size"]),
    ("kvcalc estimate x --page-s", []),
    ("kvcalc fit x --weights-dtype iq4", ["iq4_nl", "iq4_xs"]),
]


SHELLS = ["bash", "fish", "zsh"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_completion_offers(completed: Completed, shell: str, line: str, offered: list[str]) -> None:
    assert sorted(completed(line, shell)) == sorted(offered)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shells_own_process_is_answered(shell: str) -> None:
    line, offered = OFFERED[0]
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['kvcalc']; import kvcalc.__main__"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **asked(line, shell)},
    )
    assert offered_in(ran.stdout, shell) == offered


@pytest.mark.parametrize(
    ("shell", "before"), [("bash", ""), ("fish", "performance_mode="), ("zsh", "performance_mode=")]
)
def test_completion_offers_the_values_of_a_setting(
    completed: Completed, shell: str, before: str
) -> None:
    line = "kvcalc estimate x -e vllm --set performance_mode="
    words = ("balanced", "interactivity", "throughput")
    assert sorted(completed(line, shell)) == [f"{before}{word}" for word in words]
    assert completed(f"{line}thr", shell) == [f"{before}throughput"]


def test_completion_offers_every_preset(completed: Completed) -> None:
    assert sorted(completed("kvcalc sweep ")) == names()


def test_a_line_is_offered_what_it_takes_even_where_it_cannot_be_read(completed: Completed) -> None:
    assert completed("kvcalc estimate x -e vllm --no-such-flag 3 --max-num-batched-t") == [
        "--max-num-batched-tokens"
    ]
    assert completed("kvcalc ") == COMMANDS
