"""How a page's rows fit a window: their cells broken, their words folded, on one line or more."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from kvcalc.outputs.page import Page

FOLDED = 12
"""A column of words is folded into no less than this, unless its words are longer or fewer."""

GAP = 2
"""Columns of the window between two of the table."""


class Shape(NamedTuple):
    """How a row is laid out: its cells broken at their line feeds, words folded, on some lines."""

    broken: bool = False
    folded: bool = False
    lines: int = 1


class Cell(NamedTuple):
    """A cell: its text, on one line or several, and whether that is words, not an amount."""

    text: str = ""
    words: bool = False

    @property
    def most(self) -> int:
        """The width that breaks nothing."""
        return max(map(cell_len, self.text.split("\n")))

    def folded(self, room: int) -> int:
        """The least width that breaks no amount, and no word that is not longer than the room."""
        if not self.words:
            return self.most
        longest = max(map(cell_len, self.text.split()), default=0)
        return min(self.most, max(FOLDED, min(longest, room)))


class Grid(NamedTuple):
    """A page in a shape: the headings, the lines of each row, and the columns' widths."""

    headings: list[Cell]
    rows: list[list[list[Cell]]]
    widths: list[int]

    @property
    def width(self) -> int:
        """The columns of a window that it takes."""
        return sum(self.widths) + GAP * (len(self.widths) - 1)


def fitted(page: Page, width: int | None) -> Grid:
    """Lay a page out in the first shape that fits the window, else in the narrowest.

    None is a window without end.
    """
    grid = _grid(page, Shape(), width)
    for shape in _shapes(len(page.columns)):
        if width is None or grid.width <= width:
            break
        grid = _grid(page, shape, width)
    return grid


def _shapes(columns: int) -> Iterator[Shape]:
    """The shapes narrower than one line of whole cells, the widest first."""
    yield Shape(broken=True)
    for lines in range(1, columns + 1):
        yield Shape(broken=True, folded=True, lines=lines)


def _grid(page: Page, shape: Shape, width: int | None) -> Grid:
    headings = _lines(page.columns, page, shape)
    rows = [_lines(row, page, shape) for row in page.rows]
    columns = list(zip(*headings, *(line for row in rows for line in row), strict=True))
    widths = [max(cell.most for cell in column) for column in columns]
    if shape.folded and width is not None:
        least = [max(cell.folded(width) for cell in column) for column in columns]
        widths = _narrowed(widths, least, width - GAP * (len(widths) - 1))
    above = [_stacked(column[: shape.lines]) for column in columns]
    return Grid(above, rows, widths)


def _lines(row: Sequence[str], page: Page, shape: Shape) -> list[list[Cell]]:
    """Deal a row's cells to its lines, each with as many."""
    cells = [
        Cell(text if shape.broken else text.replace("\n", " "), place < page.text_columns)
        for place, text in enumerate(row)
    ]
    across = -(-len(cells) // shape.lines)
    cells += [Cell()] * (across * shape.lines - len(cells))
    return [cells[first : first + across] for first in range(0, len(cells), across)]


def _stacked(cells: Sequence[Cell]) -> Cell:
    """The headings of one column, over each other."""
    return Cell("\n".join(cell.text for cell in cells), cells[0].words)


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Take from the widest column that can give, until all have room or none can."""
    found = list(widths)
    while sum(found) > room:
        giving = [place for place, width in enumerate(found) if width > least[place]]
        if not giving:
            break
        found[max(giving, key=found.__getitem__)] -= 1
    return found
