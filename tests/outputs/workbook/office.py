"""Workbooks opened, changed and recalculated for real: by openpyxl and LibreOffice."""

import csv
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import openpyxl
from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.workbook.defined_name import DefinedName

from tests.formula.languages.executors import program

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"

Cells = dict[str, dict[tuple[int, int], Any]]
"""Each sheet's values by row and column, which count from 1; empty cells are left out."""


def changed(book: Any, cells: Mapping[str, Any], to: Path) -> None:
    """Save a workbook of openpyxl with these values in the cells of these names.

    What was typed over stays as it was in `book`; no value that was worked out is kept.
    """
    before = {}
    for name, value in cells.items():
        sheet, cell = place(book, name)
        before[sheet, cell] = book[sheet][cell].value
        book[sheet][cell] = value
    book.save(to)
    for (sheet, cell), value in before.items():
        book[sheet][cell] = value


def place(book: Any, name: str) -> tuple[str, str]:
    """The sheet and the cell that a defined name stands for."""
    sheet, cell = book.defined_names[name].attr_text.split("!")
    return sheet, cell.replace("$", "")


def coordinate(cell: str) -> tuple[int, int]:
    """The row and the column of a cell such as F5."""
    row, column = coordinate_to_tuple(cell)
    return row, column


def recalculated(paths: Sequence[Path], folder: Path) -> list[Cells]:
    """Let LibreOffice calculate workbooks, all in one run, and read their sheets' values."""
    _convert(paths, folder, "fods")
    return [_read(folder / path.with_suffix(".fods").name) for path in paths]


def saved_again(path: Path, folder: Path) -> Path:
    """Let LibreOffice save a workbook as its own, by the same name in another folder."""
    _convert([path], folder, "xlsx")
    return folder / path.name


def first_columns(paths: Sequence[Path], folder: Path) -> list[list[str]]:
    """Let LibreOffice calculate workbooks, and read the first column of the first sheet of each."""
    _convert(paths, folder, NUMBERS_IN_FULL)
    texts = [(folder / path.with_suffix(".csv").name).read_text() for path in paths]
    return [[row[0] for row in csv.reader(text.splitlines())] for text in texts]


NUMBERS_IN_FULL = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false"
"""Comma, quote, UTF-8, from line 1; numbers as they are and not as they are shown."""


def _convert(paths: Sequence[Path], folder: Path, form: str) -> None:
    profile = (folder / "profile").as_uri()
    subprocess.run(
        [
            *(program("soffice"), "--headless", f"-env:UserInstallation={profile}"),
            *("--convert-to", form, "--outdir", str(folder), *map(str, paths)),
        ],
        check=True,
        capture_output=True,
        timeout=600,
    )


def cached(path: Path) -> Cells:
    """The values that a workbook was written with."""
    book = openpyxl.load_workbook(path, data_only=True)
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
    book = openpyxl.load_workbook(path)
    return {
        sheet.title: {
            (cell.row, cell.column): cell.value
            for row in sheet.iter_rows()
            for cell in row
            if cell.data_type == "f"
        }
        for sheet in book
    }


def _read(path: Path) -> Cells:
    sheets: Cells = {}
    for sheet in ET.parse(path).iter(f"{OFFICE}spreadsheet"):
        for table in sheet.findall(f"{TABLE}table"):
            sheets[table.attrib[f"{TABLE}name"]] = dict(_cells(table))
    return sheets


def _cells(table: ET.Element) -> Iterator[tuple[tuple[int, int], Any]]:
    number = 1
    for row in _rows(table):
        column = 1
        for cell in row:
            value = _value(cell)
            repeated = int(cell.attrib.get(f"{TABLE}number-columns-repeated", 1))
            if value is not None:
                for copy in range(repeated):
                    yield (number, column + copy), value
            column += repeated
        number += int(row.attrib.get(f"{TABLE}number-rows-repeated", 1))


def _rows(table: ET.Element) -> Iterator[ET.Element]:
    """The rows of a table, and not those of a chart's own table within it."""
    for child in table:
        if child.tag == f"{TABLE}table-row":
            yield child
        elif child.tag in (f"{TABLE}table-header-rows", f"{TABLE}table-row-group"):
            yield from _rows(child)


def _value(cell: ET.Element) -> Any:
    number = cell.attrib.get(f"{OFFICE}value")
    if number is not None:
        return float(number)
    text = "\n".join("".join(one.itertext()) for one in cell.findall(f"{TEXT}p"))
    return text or None


TOTAL_BYTES = {"Plan": (14, range(1, 8)), "Formulas": (None, (*range(1, 7), 19))}
"""What total_bytes depends on: the last row (None: all) and the columns of its sheets."""


def stacked(
    path: Path,
    titles: Sequence[str],
    variants: Sequence[Mapping[str, Any]],
    to: Path,
    needed: Mapping[str, tuple[int | None, Collection[int]]] = MappingProxyType({}),
) -> None:
    """Save one workbook with a copy of its sheets `titles` for each variant of the inputs.

    The first copies are Plan0, Formulas0 ... Names, which are workbook-wide as written, are each
    copy's own there: LibreOffice takes half a second to open a file, whatever is in it. Of a sheet
    only what is `needed` is copied. The first sheet of all lists each copy's total_bytes.
    """
    book = openpyxl.load_workbook(path)
    texts = {name: defined.attr_text for name, defined in book.defined_names.items()}
    places = {name: place(book, name) for name in texts}
    own = re.compile(rf"\b({'|'.join(titles)})!")
    for number, inputs in enumerate(variants):
        numbered = rf"\g<1>{number}!"
        for title in titles:
            copy = book.create_sheet(f"{title}{number}")
            last, columns = needed.get(title, (None, range(1, book[title].max_column + 1)))
            for row in book[title].iter_rows(max_row=last):
                for cell in row:
                    if cell.value is not None and cell.column in columns:
                        is_formula = cell.data_type == "f"
                        text = own.sub(numbered, cell.value) if is_formula else cell.value
                        copy[cell.coordinate] = text
            for name, text in texts.items():
                if places[name][0] in titles:
                    copy.defined_names[name] = DefinedName(name, attr_text=own.sub(numbered, text))
        for name, value in inputs.items():
            sheet, cell = places[name]
            book[f"{sheet}{number}"][cell] = value
    answers = book.create_sheet("Answers", 0)
    sheet, cell = places["total_bytes"]
    for number in range(len(variants)):
        answers.append([f"={sheet}{number}!{cell}"])
    book.save(to)
