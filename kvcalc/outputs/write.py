"""Where an answer goes: to stdout, or to a file that is never half written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from kvcalc.errors import RequestError, quote, reason


def write(text: str, output: Path | None) -> None:
    """Write to stdout, or replace a regular file at once.

    Raises:
        KvcalcError: the file cannot be written.
    """
    if output is None:
        with streamed_stdout() as stdout:
            stdout.write(text)
        return
    with replacing(output) as part:
        part.write_text(text, encoding="utf-8", newline="")


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Give the path of a new file, which takes the place of `output` once it was written.

    Raises:
        KvcalcError: it cannot be written.
    """
    try:
        target = output.resolve()
        if target.exists() and not target.is_file():
            raise RequestError(f"output {quote(str(output))}: expected a regular file or a new one")
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        part.open("x").close()
        try:
            yield part
            if target.exists():
                part.chmod(target.stat().st_mode & 0o7777)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise RequestError(
            f"output {quote(str(output), 300)}: cannot be written ({reason(error)})"
        ) from None


def discard_stdout() -> None:
    """Point stdout at nothing, so that the exit does not flush into it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def streamed_stdout() -> Iterator[TextIO]:
    """Give stdout to what writes piece by piece; a reader that has enough ends it quietly.

    Raises:
        KvcalcError: it is closed, or cannot be written.
    """
    if sys.stdout is None:  # closed by the shell: >&-
        raise RequestError.about("stdout", "closed; give -o FILE")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has all it wanted: `| head -1`.
        discard_stdout()
    except OSError as error:
        discard_stdout()
        raise RequestError.about("stdout", f"cannot be written ({error.strerror})") from None
