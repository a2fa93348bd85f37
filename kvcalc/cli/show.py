"""`kvcalc show`: what was read about a model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kvcalc import readers
from kvcalc.answers.show import show as answer
from kvcalc.cli.completion import models
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import ModelOptions, SettingsOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_line import LineOptions
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError

if TYPE_CHECKING:
    from kvcalc.outputs.page import Page


PRESET = "toml"


class ShowOptions(OutputOptions):
    """The format of an answer, a preset too, and where it goes."""

    more: ClassVar[Mapping[str, str]] = {".toml": PRESET}


@grouped
def show(
    output: ShowOptions,
    line: LineOptions,
    model: Annotated[
        str | None,
        typer.Argument(
            help="A preset's name, a file, a folder or a Hub id.",
            autocompletion=models,
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        bool,
        typer.Option("--preset", help="Write a preset file, which reads back as the same model."),
    ] = False,
) -> None:
    """Show what was read about a model: its layers, and where each fact comes from.

    kvcalc show k-exaone-236b-a23b

    kvcalc show gpt-oss-20b --preset -o mine.toml
    """
    if preset:
        output.form({".toml": PRESET})
    asked = line.asked(ModelOptions(model), SettingsOptions(), ["ideal"]).model.model
    if asked is None:
        raise RequestError.about("MODEL", "missing; give a model, or --from a server's line")
    reading = readers.read(asked)
    if preset or output.asked == PRESET:
        from kvcalc.outputs.preset import to_preset
        from kvcalc.outputs.write import write

        write(to_preset(reading), output.output)
    else:
        found = answer(reading)

        def page() -> "Page":
            from kvcalc.outputs.pages.show import show_page

            return show_page(found)

        output.write_one(found, page)
    for note in reading.notes:
        note_on_stderr(note)
