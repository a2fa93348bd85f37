"""The options for the format of an answer and where it goes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from kvcalc.cli.completion import among
from kvcalc.cli.output_file import FileOptions, ending_of
from kvcalc.errors import RequestError
from kvcalc.outputs import table
from kvcalc.outputs.write import write

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from kvcalc.outputs.page import Page


class Format(StrEnum):
    """The formats of an answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MD = "md"
    HTML = "html"


ALIASES = {"text": "table", "txt": "table", "markdown": "md"}
"""Other names of formats."""

ENDINGS = {
    ".txt": Format.TABLE,
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".md": Format.MD,
    ".html": Format.HTML,
}
"""The endings of files, and the format that each means."""


class OutputOptions(FileOptions):
    """The format of an answer and where it goes; what cannot be written is refused at once.

    Raises:
        RequestError: -f and --json or the file's ending differ, or `form` refuses the file.
    """

    more: ClassVar[Mapping[str, str]] = {}
    """The endings of a command's own forms."""

    format: Annotated[
        str | None,
        typer.Option(
            "-f",
            "--format",
            metavar="table|csv|json|md|html",
            help="Format.  [default: by -o, else table]",
            autocompletion=among(lambda: [*Format]),
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="The same as -f json.")] = False

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.asked = self._asked()

    def write_one(
        self,
        answer: "DataclassInstance",
        page: "Callable[[], Page]",
        rows: "Sequence[DataclassInstance] | None" = None,
    ) -> None:
        """Write one answer: a JSON object; in CSV `rows`, or one row without nested fields."""
        self._write(lambda: asdict(answer), lambda: _all_flat(rows or [answer]), page)

    def write_rows(
        self,
        rows: Sequence["DataclassInstance"],
        page: "Callable[[], Page]",
        *,
        whole: bool = False,
    ) -> None:
        """Write rows: a JSON array, with nested fields only if `whole`; CSV has none."""
        self._write(
            lambda: [asdict(row) for row in rows] if whole else _all_flat(rows),
            lambda: _all_flat(rows),
            page,
        )

    def _write(
        self,
        answer: Callable[[], Any],
        rows: Callable[[], list[dict[str, Any]]],
        page: "Callable[[], Page]",
    ) -> None:
        forms: dict[Format, Callable[[], str]] = {
            Format.TABLE: lambda: self._draw(page()),
            Format.CSV: lambda: table.to_csv(rows()),
            Format.JSON: lambda: table.to_json(answer()),
            Format.MD: lambda: table.to_markdown(page()),
            Format.HTML: lambda: _html(page()),
        }
        write(forms[Format(self.asked)](), self.output)

    @property
    def is_seen(self) -> bool:
        """Whether the answer is a page that a person sees at once."""
        return self.output is None and self.asked in (Format.TABLE, Format.MD)

    def _asked(self) -> str:
        asked = None if self.format is None else _format(self.format)
        if self.json and asked not in (None, Format.JSON):
            raise RequestError.about("--json", f"found beside -f {asked}; give one of the two")
        asked = Format.JSON if self.json else asked
        known = {**ENDINGS, **self.more}
        if asked is not None and self.output is not None:
            ending = ending_of(self.output, known)
            if known.get(ending, asked) not in (asked, Format.TABLE):
                beside = f"found {asked} beside a file that ends in {ending}"
                raise RequestError.about("-f", beside, found=asked)
            known = {ending: asked}
        said = self.form(known)
        return asked or said or Format.TABLE

    def _draw(self, page: "Page") -> str:
        from kvcalc.outputs import terminal

        return terminal.draw(page, None) if self.output else terminal.draw_for_stdout(page)


def _html(page: "Page") -> str:
    from kvcalc.outputs.html import to_html

    return to_html(page)


def _format(name: str) -> Format:
    known = [*Format]
    if name in known:
        return Format(name)
    from kvcalc.spelling import spelled, unknown

    found = spelled(name, known, ALIASES)
    if found is None:
        raise unknown("-f: the format", name, known, field="-f")
    return Format(found)


def _all_flat(rows: "Sequence[DataclassInstance]") -> list[dict[str, Any]]:
    return [_flat(asdict(row)) for row in rows]


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if not isinstance(value, tuple)}
