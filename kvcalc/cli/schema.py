"""`kvcalc schema`: what a command's --json holds, as JSON Schema."""

from pathlib import Path
from typing import Annotated

import typer

from kvcalc.answers.schema import FORMS
from kvcalc.answers.schema import schema as answer
from kvcalc.outputs.table import to_json
from kvcalc.outputs.write import write


def schema(
    command: Annotated[
        str | None, typer.Argument(help="A command.  [default: all, by their names]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file, not to stdout.")
    ] = None,
) -> None:
    """Write the JSON Schema of a command's --json.

    kvcalc schema fit
    """
    found = answer(command) if command else {name: answer(name) for name in FORMS}
    write(to_json(found), output)
