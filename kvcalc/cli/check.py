"""`kvcalc check`: a start-up log compared with kvcalc's own figures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvcalc import engines, readers
from kvcalc.answers.check import DIFFERS
from kvcalc.answers.check import check as answer
from kvcalc.cli.completion import models
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import SettingsOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_request import share_of
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.engines.server import own_flags
from kvcalc.errors import KvcalcError, SourceError, printable
from kvcalc.outputs.pages.check import check_page

if TYPE_CHECKING:
    from kvcalc.model import Model
    from kvcalc.readers.weights import Weights

SOME_DIFFER = 1
STDIN = "-"
KEYWORDS = frozenset({"log", "model", "weights", "settings"})
"""The answer's keywords that are not settings; context and sequences are settings here."""


@grouped
def check(
    given: SettingsOptions,
    output: OutputOptions,
    log: Annotated[
        str, typer.Argument(help="A log file, - for stdin, or http://HOST:PORT/metrics.")
    ] = STDIN,
    model: Annotated[
        str | None,
        typer.Option(
            help="The model, if the log does not tell: as for estimate.",
            autocompletion=models,
        ),
    ] = None,
) -> None:
    """Check each figure that an engine's start-up log prints, and say why one differs.

    kvcalc check server.log --model k-exaone-236b-a23b

    kvcalc check start.log --set gpu=h100
    """
    if log == STDIN and sys.stdin is None:
        raise SourceError.of(None, "closed; give a log file")
    reading = readers.read(model) if model is not None else None
    for note in reading.notes if reading else ():
        note_on_stderr(note)
    rows = answer(
        sys.stdin.buffer if log == STDIN else log,
        reading.model if reading else None,
        weights=_weights(model, reading.model) if model is not None and reading else None,
        **_settings(given),
    )
    output.write_rows(rows, lambda: check_page(rows, printable(log)), whole=True)
    if any(row.verdict == DIFFERS for row in rows):
        raise typer.Exit(SOME_DIFFER)


def _weights(source: str, model: "Model") -> "Weights | None":
    """The tensors of a GGUF file; None for any other source, and where a part of it is missing."""
    path = Path(source)
    if path.suffix != ".gguf" or not path.is_file():
        return None
    from kvcalc.readers.weights import read_weights

    try:
        return read_weights(source, model)
    except KvcalcError as error:
        note_on_stderr(str(error))
        return None


def _settings(given: SettingsOptions) -> dict[str, Any]:
    """The settings, those of flags too, whichever engine's they are: the log says which it is."""
    found = given.settings(own=KEYWORDS)
    if given.flags:
        for name in engines.logs():
            asked = own_flags.read(given.flags, name)
            amounts = {"context": asked.context, "sequences": asked.sequences}
            said = {what: amount for what, amount in amounts.items() if amount is not None}
            found = {**share_of(asked, name), **said, **asked.settings, **found}
    return found
