"""Reading a file that is hostile until parsed: a regular file, of bounded size, or a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kvcalc.errors import SourceError, reason


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
