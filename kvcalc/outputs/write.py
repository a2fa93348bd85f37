"""Where an answer goes: to stdout, or to a file that is never half written."""

import os
import sys
from pathlib import Path

from kvcalc.errors import KvcalcError, reason, shown


def write(text: str, output: Path | None) -> None:
    """Write to stdout, or replace a regular file at once.

    Raises:
        KvcalcError: the file cannot be written.
    """
    if output is None:
        _to_stdout(text)
        return
    try:
        target = output.resolve()
        if target.exists() and not target.is_file():
            raise KvcalcError(f"output {shown(str(output))}: expected a regular file or a new one")
        _replace(target, text)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise KvcalcError(
            f"output {shown(str(output), 300)}: cannot be written ({reason(error)})"
        ) from None


def _to_stdout(text: str) -> None:
    if sys.stdout is None:  # closed by the shell: >&-
        raise KvcalcError("stdout: closed; give -o FILE")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has all it wanted: `| head -1`.
        discard_stdout()
    except OSError as error:
        discard_stdout()
        raise KvcalcError(f"stdout: cannot be written ({error.strerror})") from None


def discard_stdout() -> None:
    """Point stdout at nothing, so that the exit does not flush into it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _replace(target: Path, text: str) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
        if target.exists():
            part.chmod(target.stat().st_mode & 0o7777)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
