"""No page is wider than the terminal: it folds its words, or its columns drop to further lines."""

import io
import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from kvcalc import engines
from kvcalc.cli.app import COMMANDS
from kvcalc.cli.stderr import tell
from kvcalc.outputs import terminal
from kvcalc.outputs.page import Page
from tests.conftest import Cli

ORACLES = Path("tests/oracles")
KEXAONE, LLAMA = "k-exaone-236b-a23b", "llama-3.1-8b"
LIVING = ["--prefill-rate", "50000", "--decode-rate", "30"]
GRID = ["--gpus", "4,8", "-c", "32K,256K", "-n", "2", "--reserve", "0"]

PAGES = {
    "estimate": ["estimate", KEXAONE, "-e", "vllm", "--tp", "8"],
    "sweep": ["sweep", KEXAONE, "-e", "vllm"],
    "compare": ["compare", KEXAONE, "-w", "4096,128"],
    "diff": ["diff", LLAMA, "vllm@0.25.1", "vllm@0.26.0", "--memory", "20GiB"],
    "explain": ["explain", KEXAONE, "-e", "vllm"],
    "engines": ["engines"],
    "engine": ["engines", "mlx"],
    "show": ["show", str(ORACLES / "configs" / "Qwen--Qwen3.5-27B.json")],
    "fit": ["fit", KEXAONE, "--gpu", "h200", "--gpus", "4", "-e", "vllm", "-c", "256K"],
    "grid": ["fit", KEXAONE, LLAMA, "--gpu", "h200,h100", *GRID, "--price", "h200=3.5,h100=2"],
    "check": ["check", str(ORACLES / "logs" / "gpt-oss-20b.log"), "--model", "gpt-oss-20b"],
    "trace": ["trace", KEXAONE, str(ORACLES / "traces" / "mooncake.jsonl"), *LIVING],
    "replay": ["replay", KEXAONE, str(ORACLES / "traces" / "mooncake.jsonl")],
    "gpus": ["gpus"],
    "models": ["models"],
}
WITHOUT_PAGE = {"formula", "fill", "page", "plot", "sheet", "schema", "skill"}
"""Commands whose answer is text to be copied, a file, or a drawing of any width."""

SHOWN = ("compare", "explain", "grid", "trace")


def drawn(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], *widths: int
) -> list[str]:
    """What terminals of these widths show of one answer, without the codes for bold."""

    def draw(page: Page) -> str:
        return "\f".join(terminal.draw(page, width) for width in widths)

    monkeypatch.setattr(terminal, "draw_for_stdout", draw)
    return re.sub(r"\x1b\[[0-9;]*m", "", cli(*arguments).out).split("\f")


def test_every_command_has_its_page_here() -> None:
    assert {arguments[0] for arguments in PAGES.values()} | WITHOUT_PAGE == {*COMMANDS}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_no_line_is_wider_than_the_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    widths = (80, 100, 120, 200)
    for width, text in zip(widths, drawn(cli, monkeypatch, PAGES[page], *widths), strict=True):
        lines = text.splitlines()
        assert len(lines) > 3
        assert [line for line in lines if len(line) > width] == []


def test_no_engines_settings_are_wider_than_the_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in engines.ENGINES:
        (text,) = drawn(cli, monkeypatch, ["engines", name], 80)
        assert max(map(len, text.splitlines())) <= 80


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [40, 80, 200])
def test_what_is_told_beside_an_answer_folds_at_spaces(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    path = "/a/path/that/is/not/broken" * 2
    sentence = f"note: {'a word and another, ' * 12}--no-break-at-hyphens {path}"
    told = {}
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setenv("COLUMNS", str(width))
        tell(sentence)
        told[stream.isatty()] = stream.getvalue()
    assert told[False] == f"kvcalc: {sentence}\n"
    assert told[True].split() == told[False].split()
    assert {line for line in told[True].splitlines() if len(line) > width} <= {f"  {path}"}


@pytest.mark.parametrize("columns", ["", "0", "-3", "x"])
def test_a_terminal_without_a_width_has_80_columns(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", columns)
    tell("a word " * 40)
    assert 70 < max(map(len, stream.getvalue().splitlines())) <= 80


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("page", SHOWN)
def test_what_a_narrow_terminal_shows(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, page: str, width: int, snapshot: SnapshotAssertion
) -> None:
    (text,) = drawn(cli, monkeypatch, PAGES[page], width)
    assert text == snapshot
