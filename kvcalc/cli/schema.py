"""`kvcalc schema`: what a command's --json holds, as JSON Schema."""

from typing import Annotated

import typer

from kvcalc.answers.schema import FORMS
from kvcalc.answers.schema import schema as answer
from kvcalc.cli.grouped import grouped
from kvcalc.cli.output_file import FileOptions
from kvcalc.outputs.table import to_json
from kvcalc.outputs.write import write


@grouped
def schema(
    file: FileOptions,
    command: Annotated[
        str | None, typer.Argument(help="A command.  [default: all, by their names]")
    ] = None,
) -> None:
    """Write the JSON Schema of a command's --json.

    kvcalc schema fit

    kvcalc schema -o schemas.json
    """
    file.form({".json": "json"})
    found = answer(command) if command else {name: answer(name) for name in FORMS}
    write(to_json(found), file.output)
