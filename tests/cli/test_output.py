"""Where an answer goes from the command line: a file, a pipe that closes, a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from kvcalc.outputs.html import to_html
from kvcalc.outputs.page import Page
from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"
KVCALC = [sys.executable, "-m", "kvcalc"]


@pytest.mark.parametrize("form", ["table", "csv", "json", "md"])
def test_a_file_gets_what_a_pipe_gets(cli: Cli, tmp_path: Path, form: str) -> None:
    target = tmp_path / "answer"
    outcome = cli("sweep", KEXAONE, "-f", form, "-o", str(target))
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert target.read_bytes().decode() == cli("sweep", KEXAONE, "-f", form).out


@pytest.mark.parametrize(
    ("ending", "form"),
    [(".csv", "csv"), (".JSON", "json"), (".md", "md"), (".html", "html"), (".txt", "table")],
)
def test_the_ending_of_the_file_says_the_form(
    cli: Cli, tmp_path: Path, ending: str, form: str
) -> None:
    target = tmp_path / f"answer{ending}"
    asked = ("sweep", KEXAONE)
    assert cli(*asked, "-o", str(target)).code == 0
    assert target.read_bytes().decode() == cli(*asked, "-f", form).out


def test_a_file_that_exists_is_replaced_only_by_force(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "answer.sql"
    target.write_text("old")
    outcome = cli("formula", KEXAONE, "-o", str(target))
    assert (outcome.code, outcome.out) == (2, "")
    assert "exists; --force replaces it" in outcome.err
    assert target.read_text() == "old"
    assert cli("formula", KEXAONE, "-o", str(target), "--force").code == 0
    assert target.read_text() == cli("formula", KEXAONE, "--as", "sql").out


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("sweep -o x.svg", "found '.svg', expected .csv, .html, .json, .md, .txt"),
        ("formula -o x.csv", "found '.csv', expected .js, .py, .sql, .tex, .txt"),
        ("show --preset -o x.csv", "found '.csv', expected .toml"),
        ("sweep -f json -o x.csv", "-f: found json beside a file that ends in .csv"),
        ("fit -f json -o x.xlsx", "-f: found json beside a file that ends in .xlsx"),
    ],
)
def test_an_ending_that_a_command_lacks_is_refused(cli: Cli, asked: str, sentence: str) -> None:
    command, *options = asked.split()
    outcome = cli(command, KEXAONE, *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert not list(Path().glob("x.*"))


@pytest.mark.parametrize(
    ("command", "ending", "more"),
    [
        ("fit", ".csv", ""),
        ("fit", ".xlsx", ""),
        ("trace", ".sql", "--print-sql"),
        ("show", ".toml", ""),
        ("explain", ".md", "-f md"),
        ("compare", ".html", ""),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_a_model_is_read(
    cli: Cli, tmp_path: Path, command: str, ending: str, more: str
) -> None:
    target = tmp_path / f"answer{ending}"
    target.write_text("old")
    refused = cli(command, "no-such-model", *more.split(), "-o", str(target))
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == f"kvcalc: output '{target}': exists; --force replaces it\n"
    refused = cli(command, "no-such-model", "-o", "answer.pdf")
    assert "found '.pdf', expected " in refused.err
    assert ending in refused.err
    assert target.read_text() == "old"


def test_a_model_is_shown_as_a_preset_by_the_files_ending(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "mine.toml"
    assert cli("show", KEXAONE, "-o", str(target)).code == 0
    assert target.read_bytes().decode() == cli("show", KEXAONE, "--preset").out


def test_html_shows_what_it_is_given_as_text() -> None:
    text = to_html(Page("<b>", ("<i>",), (("<script>",),), 1, ("a & b",)))
    assert {"<b>", "<i>", "<script>"}.isdisjoint(re.findall("<[a-z]+>", text))
    assert "&lt;script&gt;" in text
    assert "a &amp; b" in text


def test_a_bad_request_leaves_the_file_as_it_was(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "answer"
    target.write_text("old\n")
    assert cli("sweep", KEXAONE, "-c", "0", "-o", str(target)).code == 2
    assert target.read_text() == "old\n"


@pytest.mark.parametrize("form", ["table", "csv", "json", "md"])
def test_a_reader_that_takes_one_line_ends_it_quietly(form: str) -> None:
    asked = f'"{sys.executable}" -m kvcalc sweep {KEXAONE} -c 1..256K -f {form}'
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {asked} | head -1"], capture_output=True, text=True
    )
    assert len(ran.stdout.splitlines()) == 1
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments", [["sweep", KEXAONE], ["sweep", KEXAONE, "--json"], ["models"], ["--help"]]
)
def test_a_reader_that_takes_nothing_ends_it_quietly(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run([*KVCALC, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert ran.stderr == ""
    assert ran.returncode in (0, 1)


def test_a_disk_that_is_full_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*KVCALC, "sweep", KEXAONE], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "No space left on device" in ran.stderr


def seen_in_a_terminal(columns: int, **environment: str) -> str:
    """Run a sweep in a terminal so many columns wide and take what it was sent."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    ran = subprocess.Popen(
        [*KVCALC, "sweep", KEXAONE],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(terminal)
    sent = b""
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:  # what Linux answers once the other side is closed
            break
        if not piece:
            break
        sent += piece
    os.close(controller)
    assert ran.wait() == 0
    return sent.decode().replace("\r\n", "\n")


def without_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_gets_a_boxed_table_of_its_width(columns: int) -> None:
    lines = without_codes(seen_in_a_terminal(columns)).splitlines()
    assert max(map(len, lines)) <= columns
    assert any(set(line) == {"─"} for line in lines)
    assert any("13,488,881,664" in line for line in lines)


def test_columns_of_the_environment_come_first() -> None:
    text = without_codes(seen_in_a_terminal(200, COLUMNS="80"))
    assert max(map(len, text.splitlines())) <= 80


def test_no_color_is_honoured() -> None:
    text = seen_in_a_terminal(80, COLUMNS="80", NO_COLOR="1")
    codes = [code for group in re.findall(r"\x1b\[([0-9;]*)m", text) for code in group.split(";")]
    assert set(codes) <= {"", "0", "1", "22"}
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", text)
