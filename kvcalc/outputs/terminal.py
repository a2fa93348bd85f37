"""The terminal: a page as a table that fits the window, or plain and unbroken for a pipe."""

import io
import sys

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from kvcalc.outputs.grid import Cell, Grid, fitted
from kvcalc.outputs.page import Page, shown

UNBOUNDED = 10_000
"""The width of a console that does not break lines."""


def draw_for_stdout(page: Page) -> str:
    """Draw a page for stdout, which is a terminal or a pipe."""
    return draw(page, Console().width if sys.stdout and sys.stdout.isatty() else None)


def draw(page: Page, width: int | None) -> str:
    """Draw a page `width` columns wide; None means a pipe: no box, and one line per row.

    Where a row is too wide, its cells are broken at their line feeds, then its words are folded,
    then its columns drop to further lines. An amount is never cut or broken: one that is wider than
    the window runs over it.
    """
    page = shown(page)
    # With both sizes given, rich uses them even if TERM is dumb.
    console = Console(
        file=io.StringIO(), width=UNBOUNDED, height=25, force_terminal=width is not None
    )
    table = _drawn(console, _table(fitted(page, width), boxed=width is not None))
    console.width = width or UNBOUNDED
    pieces = [_drawn(console, Text(page.title, style="bold")), table]
    if page.notes:
        pieces.append(_drawn(console, *(Text(note) for note in page.notes)))
    return "\n".join(pieces)


def _table(grid: Grid, *, boxed: bool) -> Table:
    """Draw a grid; a row on several lines is parted from the next by an empty one."""
    table = Table(
        box=box.SIMPLE_HEAD if boxed else None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for heading, width in zip(grid.headings, grid.widths, strict=True):
        table.add_column(_text(heading, "bold"), width=width)
    for row in grid.rows:
        for line in row:
            table.add_row(*(_text(cell) for cell in line))
        if len(row) > 1:
            table.add_row()
    return table


def _text(cell: Cell, style: str = "") -> Text:
    return Text(
        cell.text,
        justify="left" if cell.words else "right",
        style=style,
        no_wrap=not cell.words,
        overflow="fold",
    )


def _drawn(console: Console, *pieces: RenderableType) -> str:
    """The console's drawing, without blank lines around it or spaces at the ends of lines."""
    with console.capture() as captured:
        for piece in pieces:
            console.print(piece)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    return "\n".join(lines).strip("\n") + "\n"
