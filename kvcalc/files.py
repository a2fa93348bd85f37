"""Reading a file that is hostile until parsed: a regular file, of bounded size, or a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kvcalc.errors import SourceError, reason

_READ: set[Path] = set()
"""The files that were read: the inputs, which no output replaces."""


def note_read(path: Path) -> None:
    """Keep in mind that a file is an input."""
    with suppress(OSError, RuntimeError):
        _READ.add(path.resolve())


def was_read(path: Path) -> bool:
    """Whether a file, without links in its name, was an input of this process."""
    return path in _READ


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file to read its bytes.

    Raises:
        SourceError: there is no such file, it is not a regular file, or it cannot be read.
    """
    try:
        if not path.is_file():
            found = "something that is not a regular file" if path.exists() else "nothing"
            raise SourceError.of(path, f"found {found}, expected a file")
        note_read(path)
        with path.open("rb") as file:
            yield file
    except (OSError, ValueError) as error:
        raise SourceError.of(path, f"cannot be read ({reason(error)})") from None


def read_bytes(path: Path, most: int) -> bytes:
    """Read a whole regular file of at most `most` bytes.

    Raises:
        SourceError: as `opened`; or the file is larger.
    """
    with opened(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise SourceError.of(path, f"larger than the {most:,} bytes expected of such a file")
    return content
