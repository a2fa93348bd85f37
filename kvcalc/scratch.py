"""Folders for what is not finished: nobody else's, private from their creation, never left behind.

Each is locked while its process lives, so that a later run knows those that a killed one left and
removes them. Names are drawn, as process numbers are the same in any container.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from kvcalc.errors import RequestError, quote, reason

PREFIX, SUFFIX = ".kvcalc-", ".part"

_OPEN: dict[Path, int | None] = {}
"""The folders of this process, each with the handle that locks it."""


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """Make a folder within another, and remove it in the end.

    Raises:
        OSError: it cannot be made there.
    """
    folder = make(beside)
    try:
        yield folder
    finally:
        remove(folder)


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Give the path of a new file, which replaces `output` after it was written.

    Raises:
        RequestError: the file cannot be written.
    """
    try:
        target = output.resolve()
        if target.exists() and not target.is_file():
            raise RequestError.about(
                "output",
                named=f"output {quote(str(output))}",
                found=str(output),
                expected="a regular file or a new one",
            )
        with scratch(target.parent) as folder:
            part = folder / "part"
            yield part
            if target.exists():
                part.chmod(target.stat().st_mode & 0o7777)
            part.replace(target)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a name of no file
        raise RequestError.about(
            "output",
            f"cannot be written ({reason(error)})",
            named=f"output {quote(str(output), 300)}",
            found=str(output),
        ) from None


def make(beside: Path) -> Path:
    """Make a folder within another; it is removed when the process ends.

    Raises:
        OSError: it cannot be made there.
    """
    _remove_left(beside)
    while True:
        folder = Path(mkdtemp(SUFFIX, PREFIX, beside))
        handle = _locked(folder)
        if folder.exists():  # else another run took it for one that was left
            break
    if not _OPEN:
        atexit.register(remove_all)
    _OPEN[folder] = handle
    return folder


def remove_all() -> None:
    """Remove the folders of this process."""
    for folder in list(_OPEN):
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder of this process with what is in it."""
    rmtree(folder, ignore_errors=True)
    handle = _OPEN.pop(folder, None)
    if handle is not None:
        os.close(handle)


def _remove_left(beside: Path) -> None:
    """Remove what killed runs of this user left."""
    for folder in beside.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            own = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
            handle = _locked(folder) if own and folder not in _OPEN else None
            if handle is not None:
                rmtree(folder, ignore_errors=True)
                os.close(handle)


def _locked(folder: Path) -> int | None:
    """Lock a folder; None if another process has it, or the system has no such locks."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # Windows, where what is left stays
        return None
    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        flock(handle, LOCK_EX | LOCK_NB)
    except OSError:
        if handle is not None:
            os.close(handle)
        return None
    return handle
