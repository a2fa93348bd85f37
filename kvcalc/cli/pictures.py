"""The options of commands that draw: a picture by the ending of the file it goes to."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from kvcalc.cli.output import OutputOptions
from kvcalc.errors import RequestError

if TYPE_CHECKING:
    from kvcalc.charts.chart import Chart

VEGA_LITE = "vl.json"
PICTURES: Mapping[str, str] = {".svg": "svg", ".png": "png", ".vl.json": VEGA_LITE}
"""The endings of pictures, and what each is called."""


class PictureOptions(OutputOptions):
    """The format of an answer, a picture too, and where it goes.

    Raises:
        KvcalcError: as `OutputOptions`; what draws the picture is not installed, or there is none
            that could be dark.
    """

    more: ClassVar[Mapping[str, str]] = PICTURES

    dark: Annotated[bool, typer.Option("--dark", help="A picture for a dark page.")] = False

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        if self.dark and self.asked not in PICTURES.values():
            files = ", ".join(f"x{ending}" for ending in PICTURES)
            raise RequestError.about("--dark", f"found without a picture, as -o {files}")
        if self.asked in {*PICTURES.values()} - {VEGA_LITE}:
            from kvcalc.charts.chart import converter

            converter()

    def drew(self, chart: "Callable[[], Chart]") -> bool:
        """Write a picture where the file is one; say whether it was."""
        drawn = self.output is not None and self.asked in PICTURES.values()
        if self.output is not None and drawn:
            chart().save(self.output, dark=self.dark)
        return drawn
