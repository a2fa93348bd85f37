"""Workbooks opened, typed into and recalculated for real: by openpyxl and LibreOffice."""

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import openpyxl
from openpyxl.utils.cell import coordinate_to_tuple

from tests.formula.languages.executors import program

Cells = dict[str, dict[tuple[int, int], Any]]
"""Each sheet's values by row and column, which count from 1; empty cells are left out."""


def place(book: Any, name: str) -> tuple[str, str]:
    """The sheet and the cell that a defined name stands for."""
    sheet, cell = book.defined_names[name].attr_text.split("!")
    return sheet, cell.replace("$", "")


def coordinate(cell: str) -> tuple[int, int]:
    """The row and the column of a cell such as F5."""
    row, column = coordinate_to_tuple(cell)
    return row, column


def cached(path: Path) -> Cells:
    """The values that a workbook was written with."""
    book = openpyxl.load_workbook(path, data_only=True, read_only=True)
    return {
        sheet.title: {
            (cell.row, cell.column): cell.value
            for row in sheet.iter_rows()
            for cell in row
            if cell.value is not None
        }
        for sheet in book
    }


def formulas(path: Path) -> Cells:
    """The formulas of a workbook."""
    book = openpyxl.load_workbook(path, read_only=True)
    return {
        sheet.title: {
            (cell.row, cell.column): cell.value
            for row in sheet.iter_rows()
            for cell in row
            if cell.data_type == "f"
        }
        for sheet in book
    }


TYPES = {str: "text", type(None): "nothing"}


class Typed(NamedTuple):
    """A workbook, and what is typed into it: each variant by itself, over what was there.

    A variant has values by the names of their cells, or as `Prices!B5`; None empties one. What is
    then read are cells too, or all that a sheet uses, as `Prices!`. With `saved_as` LibreOffice
    first saves the workbook as its own, and opens that.
    """

    path: Path
    read: Sequence[str]
    variants: Sequence[Mapping[str, Any]] = ({},)
    saved_as: Path | None = None

    def orders(self) -> Iterator[tuple[str, ...]]:
        yield "open", self.path.as_uri()
        if self.saved_as is not None:
            yield "save", self.saved_as.as_uri()
        for variant in self.variants:
            for name, value in variant.items():
                kind = (
                    "nothing" if value is None else "text" if isinstance(value, str) else "number"
                )
                yield kind, name, str(value)
            for name in self.read:
                yield "read", name
            yield ("end",)
            yield ("undo",)


def recalculated(asked: Sequence[Typed], folder: Path) -> list[list[Cells]]:
    """Let LibreOffice calculate workbooks, all in one run: what each shows, variant by variant.

    No value that a workbook was written with is kept.
    """
    orders, answers = folder / "orders", folder / "answers"
    orders.write_text("\n".join("\t".join(order) for one in asked for order in one.orders()))
    macro = f'macro:///Standard.Typing.Run("{orders.as_uri()}", "{answers.as_uri()}")'
    profile = _profile(folder / "profile")
    command = [program("soffice"), "--headless", f"-env:UserInstallation={profile}", macro]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    lines = [line.split("\t") for line in answers.read_text().splitlines()]
    assert lines.pop() == ["done"], answers.read_text()[-500:]
    told = iter(_cells(lines))
    return [[next(told) for _ in one.variants] for one in asked]


def _cells(lines: Sequence[Sequence[str]]) -> Iterator[Cells]:
    """What is read between the ends of two variants."""
    sheets: Cells = {}
    for sheet, *told in lines:
        if sheet == "end" and not told:
            yield sheets
            sheets = {}
            continue
        row, column, kind, *value = told
        sheets.setdefault(sheet, {})[int(row) + 1, int(column) + 1] = KINDS[kind](*value)


KINDS: Mapping[str, Callable[..., Any]] = {
    "text": lambda text: text.replace("\\n", "\n"),
    "number": lambda millions, rest: float(millions) * 1e6 + float(rest),
}

BASIC = Path(__file__).with_name("typing.bas")
PROFILE = {
    "registrymodifications.xcu": """<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/Office"><prop oor:name="ooSetupInstCompleted" oor:op="fuse">
<value>true</value></prop></item></oor:items>""",
    "basic/script.xlc": """<library:libraries xmlns:library="http://openoffice.org/2000/library">
<library:library library:name="Standard" library:link="false"/></library:libraries>""",
    "basic/Standard/script.xlb": """<library:library library:name="Standard"
xmlns:library="http://openoffice.org/2000/library"><library:element library:name="Typing"/>
</library:library>""",
    "basic/Standard/Typing.xba": f"""<script:module script:name="Typing" script:language="StarBasic"
xmlns:script="http://openoffice.org/2000/script">{escape(BASIC.read_text())}</script:module>""",
}
"""A person's own files with the macro; set up, as a first start would lay others over them."""


def _profile(folder: Path) -> str:
    for name, text in PROFILE.items():
        path = folder / "user" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder.as_uri()
