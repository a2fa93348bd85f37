"""A start-up log, read and held against kvcalc's own figures."""

from pathlib import Path
from typing import Any, BinaryIO

from kvcalc.answers.check import Checked
from kvcalc.answers.check import check as verdicts
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import SourceError
from kvcalc.files import opened
from kvcalc.model import Model
from kvcalc.readers.logs import read_log


def check(
    log: str | Path | BinaryIO,
    model: Model | None = None,
    *,
    settings: Settings | None = None,
    **given: Any,
) -> list[Checked]:
    """Say of each figure of an engine's start-up log whether it is what it should be.

    `log` is a file's path, or an open binary file, which is read once. A model and settings given
    come before those that the log names; they are given as to `kvcalc.cost`, and context and
    sequences are among them.

    Raises:
        KvcalcError: the log cannot be read or has no figure to check, or a setting that the engine
            refuses.
    """
    if isinstance(log, str | Path):
        name = str(log)
        with opened(Path(log)) as stream:
            found = read_log(stream, name)
    else:
        name = str(getattr(log, "name", "log")).strip("<>")
        found = read_log(log, name)
    rows = verdicts(found, model, request.named(settings, given))
    if not rows:
        raise SourceError.of(name, "found no figure to check, only settings")
    return rows
