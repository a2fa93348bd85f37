"""The options of commands that draw: a picture by the ending of the file it goes to."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kvcalc.cli.output import OutputOptions

if TYPE_CHECKING:
    from kvcalc.charts.chart import Chart

PICTURES: Mapping[str, str] = {".svg": "svg", ".png": "png", ".vl.json": "vl.json"}
"""The endings of pictures, and what each is called."""


class PictureOptions(OutputOptions):
    """The format of an answer, a picture too, and where it goes."""

    more: ClassVar[Mapping[str, str]] = PICTURES

    dark: Annotated[bool, typer.Option("--dark", help="A picture for a dark page.")] = False

    def drew(self, chart: "Callable[[], Chart]") -> bool:
        """Write a picture where the file is one; say whether it was."""
        drawn = self.output is not None and self.asked in PICTURES.values()
        if self.output is not None and drawn:
            chart().save(self.output, dark=self.dark)
        return drawn
