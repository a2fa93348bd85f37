"""Where an answer goes: to stdout, or to a file that is never half written."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from kvcalc.errors import RequestError, quote


def unwritten(output: Path, endings: Iterable[str]) -> RequestError:
    """Say that a file of this ending is not written, and which are."""
    listed = ", ".join(sorted(endings))
    return RequestError.about(
        "output",
        f"found {quote(output.suffix)}",
        named=f"output {quote(str(output), 300)}",
        found=output.suffix,
        expected=listed,
    )


def refuse_to_overwrite(output: Path, force: bool) -> None:
    """Refuse a file that exists, unless it is to be replaced.

    Raises:
        RequestError: it exists.
    """
    with suppress(OSError):  # what cannot be looked at cannot be written: that is said then
        if output.is_file() and not force:
            named = f"output {quote(str(output), 300)}"
            raise RequestError.about(
                "output", "exists; --force replaces it", named=named, found=str(output)
            )


def write(text: str, output: Path | None) -> None:
    """Write to stdout, or replace a regular file at once.

    Raises:
        KvcalcError: the file cannot be written.
    """
    if output is None:
        with streamed_stdout() as stdout:
            stdout.write(text)
        return
    from kvcalc.scratch import replacing

    with replacing(output) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def discard_stdout() -> None:
    """Redirect stdout to the null device, so that the exit does not flush into it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def streamed_stdout() -> Iterator[TextIO]:
    """Give stdout for writing piece by piece; if its reader stops early, end quietly.

    Raises:
        RequestError: stdout is closed, or cannot be written.
    """
    if sys.stdout is None:  # closed by the shell: >&-
        raise RequestError.about("stdout", "closed; give -o FILE")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has enough: `| head -1`.
        discard_stdout()
    except OSError as error:
        discard_stdout()
        raise RequestError.about("stdout", f"cannot be written ({error.strerror})") from None
