"""The options for the file that an answer goes to: its ending says the form."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from kvcalc.cli.grouped import Options
from kvcalc.outputs.write import refuse_to_overwrite, unwritten


class FileOptions(Options):
    """The file that an answer goes to, and whether it may be replaced."""

    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write to this file, in the form of its ending."),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False

    def form(self, endings: Mapping[str, str]) -> str | None:
        """The form that the file's ending says; None without a file or an ending.

        Raises:
            RequestError: it has none of `endings`, or the file exists and is not to be replaced.
        """
        if self.output is None:
            return None
        refuse_to_overwrite(self.output, self.force)
        ending = ending_of(self.output, endings)
        if ending and ending not in endings:
            raise unwritten(self.output, endings)
        return endings.get(ending)


def ending_of(output: Path, endings: Iterable[str]) -> str:
    """The ending of a file's name: the longest of `endings`, as .vl.json, else its suffix."""
    name = output.name.lower()
    known = [ending for ending in endings if name.endswith(ending) and name != ending]
    return max(known, key=len, default=output.suffix.lower())
