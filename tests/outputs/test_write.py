"""Where an answer goes: a file whole or not at all."""

import os
import sys
from pathlib import Path

import pytest

from kvcalc.errors import KvcalcError
from kvcalc.outputs.write import write


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_stdout_gets_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    write("a\r\nb\n", None)
    assert capsys.readouterr().out == "a\r\nb\n"


def test_a_new_file_gets_the_text_byte_for_byte(tmp_path: Path) -> None:
    write("가\r\nb\n", tmp_path / "new.csv")
    assert (tmp_path / "new.csv").read_bytes() == "가\r\nb\n".encode()
    assert names_in(tmp_path) == ["new.csv"]


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "table.md"
    target.write_text("a much longer text than the new one")
    write("new\n", target)
    assert target.read_text() == "new\n"
    assert names_in(tmp_path) == ["table.md"]


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write("new\n", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new\n"


def test_a_failure_leaves_the_old_file_whole_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "table.md"
    target.write_text("old\n")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KvcalcError, match=r"^output '.*\(No space left on device\)$"):
        write("new\n", target)
    assert target.read_text() == "old\n"
    assert names_in(tmp_path) == ["table.md"]


@pytest.mark.parametrize(
    "name", ["folder", "pipe", "link to a folder"], ids=["a folder", "a pipe", "a link to a folder"]
)
def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to a folder").symlink_to("folder")
    before = names_in(tmp_path)
    with pytest.raises(KvcalcError, match=r"^output '.*: expected a regular file or a new one$"):
        write("new\n", tmp_path / name)
    assert names_in(tmp_path) == before
    assert (tmp_path / "pipe").is_fifo()


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(KvcalcError, match=r"^output '/dev/null': expected a regular file or a new"):
        write("new\n", Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/table.md", "No such file or directory"),
        ("file/table.md", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(KvcalcError, match=rf"^output '.*: cannot be written \({reason}\)$"):
        write("new\n", tmp_path / name)
    assert names_in(tmp_path) == ["file"]


def test_a_reader_that_has_enough_ends_the_writing_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        write("text\n", None)
        closed.write("and what is still flushed at the exit\n")
        closed.flush()
