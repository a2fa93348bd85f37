"""`kvcalc engines`: the engines, or one engine's settings."""

from typing import Annotated

import typer

from kvcalc import engines as known
from kvcalc.answers.engines import describe_engine, list_engines
from kvcalc.cli.grouped import grouped
from kvcalc.cli.output import OutputOptions
from kvcalc.outputs.pages.engines import engines_page, settings_page


@grouped
def engines(
    output: OutputOptions,
    name: Annotated[
        str | None,
        typer.Argument(
            help="An engine, to list its settings.",
            autocompletion=lambda: list(known.ENGINES),
            show_default=False,
        ),
    ] = None,
) -> None:
    """List the engines and the releases that were read, or one engine's settings.

    kvcalc engines vllm

    kvcalc engines llama.cpp -o settings.csv
    """
    if name is None:
        rows = list_engines()
        output.write_rows(rows, lambda: engines_page(rows), whole=True)
        return
    found = describe_engine(name)
    output.write_one(found, lambda: settings_page(found), rows=found.settings)
