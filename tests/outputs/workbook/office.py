"""Workbooks opened, typed into and recalculated for real: by openpyxl and LibreOffice."""

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from socket import create_server, socket
from subprocess import DEVNULL
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import openpyxl
from openpyxl.utils.cell import coordinate_to_tuple

from tests.programs import program

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


MOST_SECONDS = 180
"""How long LibreOffice may take to start, to answer and to end."""


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


class Office:
    """LibreOffice, which runs until it is closed: a start takes longer than most workbooks."""

    def __init__(self, folder: Path) -> None:
        self._orders, self._answers = folder / "orders", folder / "answers"
        self._door = create_server(("127.0.0.1", 0))
        self._door.settimeout(MOST_SECONDS)
        address = f"socket,host=127.0.0.1,port={self._door.getsockname()[1]}"
        files = self._orders.as_uri(), self._answers.as_uri()
        words = ", ".join(f'"{word}"' for word in (address, *files))
        profile = f"-env:UserInstallation={_profile(folder / 'profile')}"
        macro = f"macro:///Standard.Typing.Serve({words})"
        command = [program("soffice"), "--headless", profile, macro]
        self._process = subprocess.Popen(command, stdout=DEVNULL, stderr=DEVNULL)

    def recalculated(self, asked: Sequence[Typed]) -> list[list[Cells]]:
        """Let it calculate workbooks: what each shows, variant by variant.

        No value that a workbook was written with is kept.
        """
        lines = ("\t".join(order) for one in asked for order in one.orders())
        self._orders.write_text("\n".join(lines))
        self._answers.unlink(missing_ok=True)
        self._line.sendall(b"!")
        assert self._line.recv(1), "LibreOffice ended"
        answers = self._answers.read_text()
        told = [line.split("\t") for line in answers.splitlines()]
        assert told.pop() == ["done"], answers[-500:]
        found = iter(_cells(told))
        return [[next(found) for _ in one.variants] for one in asked]

    @cached_property
    def _line(self) -> socket:
        """Its connection, once it has started."""
        line, _ = self._door.accept()
        line.settimeout(MOST_SECONDS)
        return line

    def close(self) -> None:
        """End it."""
        self._line.close()
        self._door.close()
        self._process.wait(MOST_SECONDS)


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
