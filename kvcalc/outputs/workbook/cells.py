"""A sheet as plain records: its cells, and what a spreadsheet does with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Cell(NamedTuple):
    """A cell: its value, and the formula for it if it is live."""

    value: str | int | float
    style: str = "text"
    formula: str = ""
    comment: str = ""


class Choice(NamedTuple):
    """What may be typed into a cell: a value of a range, or a number between two bounds."""

    row: int
    column: int
    listed: str = ""
    most: int | str = ""
    whole: bool = True
    least: int = 1


class Table(NamedTuple):
    """A table to which people add rows: its name, and the places of its header and its end.

    `formulas` are those of its columns, with the names of other columns in braces.
    """

    name: str
    first_row: int
    last_row: int
    columns: tuple[str, ...]
    formulas: Mapping[str, str]

    def of_rows_to_come(self, column: str) -> str:
        """A column's formula in a row that is added, by the names of columns."""
        names = {name: f"{self.name}[[#This Row],[{name}]]" for name in self.columns}
        return self.formulas[column].format_map(names)

    def of_row(self, column: str, row: int) -> str:
        """A column's formula in a row: engines beside Excel know few names of columns."""
        names = {name: beside(row, place) for place, name in enumerate(self.columns)}
        return self.formulas[column].format_map(names)


class Series(NamedTuple):
    """A series of a chart: its name, and the places of its categories and values."""

    name: str
    categories: tuple[int, int, int, int]
    values: tuple[int, int, int, int]


class Chart(NamedTuple):
    """A chart: its kind and subtype as XlsxWriter names them, and where it stands."""

    kind: str
    subtype: str
    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    row: int
    column: int


@dataclass
class Sheet:
    """A sheet by its name; rows and columns count from 0.

    `locked` sheets let people change input cells alone; a table in one could not grow. Rows and
    columns before `frozen` stay in sight, and stand on every page that is printed.
    """

    name: str
    widths: tuple[int, ...]
    frozen: tuple[int, int] = (0, 0)
    locked: bool = True
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    green: list[tuple[int, int, str]] = field(default_factory=list)

    def put(
        self, row: int, column: int, value: str | int | float | None, style: str = "text"
    ) -> None:
        """Write a value; None leaves the cell empty."""
        if value is not None:
            self.cells[row, column] = Cell(value, style)

    def row(
        self, row: int, values: Sequence[str | int | float | None], style: str = "text"
    ) -> None:
        """Write values side by side, from the first column on."""
        for column, value in enumerate(values):
            self.put(row, column, value, style)

    def head(self, row: int, names: Sequence[str], text_columns: int) -> None:
        """Write a header: the first columns hold text, the others numbers."""
        for column, name in enumerate(names):
            self.put(row, column, name, "head" if column < text_columns else "number head")

    def live(
        self,
        row: int,
        column: int,
        formula: str,
        value: str | int | float,
        style: str = "number",
        comment: str = "",
    ) -> None:
        """Write a formula, with its equals sign, and its present value."""
        self.cells[row, column] = Cell(value, style, formula, comment)

    def range(self, column: int, first_row: int, last_row: int) -> str:
        """Refer to a part of a column from any sheet."""
        letter = letters(column)
        return f"{self.name}!${letter}${first_row + 1}:${letter}${last_row + 1}"

    def at(self, row: int, column: int) -> str:
        """Refer to a cell from any sheet."""
        return f"{self.name}!${letters(column)}${row + 1}"


def letters(column: int) -> str:
    """A column's letters: A, Z, AA."""
    text = ""
    while column >= 0:
        column, letter = divmod(column, 26)
        text = chr(ord("A") + letter) + text
        column -= 1
    return text


def cell(row: int, column: int) -> str:
    """Refer to a cell of the same sheet, by an absolute reference."""
    return f"${letters(column)}${row + 1}"


def beside(row: int, column: int) -> str:
    """Refer to a cell of the same row, by a reference that follows the row when it is sorted."""
    return f"{letters(column)}{row + 1}"


def divided_up(dividend: str, divisor: str) -> str:
    """Divide whole numbers, rounding up without INT of a negative one (`languages.excel`)."""
    return f"INT(({dividend}+{divisor}-1)/{divisor})"


def rounded_up(amount: str) -> str:
    """Round a number up that is not negative and need not be whole."""
    return f"INT({amount})+({amount}>INT({amount}))"


def match(text: str, cells: str) -> str:
    """Find a text's place among cells, without MATCH's wildcards."""
    for wildcard in ("~", "*", "?"):
        text = f'SUBSTITUTE({text},"{wildcard}","~{wildcard}")'
    return f"MATCH({text},{cells},0)"


def quote(text: str) -> str:
    """A text within a formula, cut to the 255 characters that Excel accepts."""
    return '"' + text[:250].replace('"', '""')[:254] + '"'
