"""The terminal: a page as a table that fits the window, or plain and unbroken for a pipe."""

import io
import sys

from rich import box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from kvcalc.outputs.page import Page

UNBOUNDED = 10_000
"""The width of a console that does not break lines."""


def draw_for_stdout(page: Page) -> str:
    """Draw a page for stdout, which is a terminal or a pipe."""
    return draw(page, Console().width if sys.stdout and sys.stdout.isatty() else None)


def draw(page: Page, width: int | None) -> str:
    """Draw a page `width` columns wide; None means a pipe: no box, and one line per row.

    A row that does not fit `width` runs over it: no amount is ever cut or broken.
    """
    # With both sizes given, rich uses them even if TERM is dumb.
    console = Console(
        file=io.StringIO(), width=UNBOUNDED, height=25, force_terminal=width is not None
    )
    table = _table(page, boxed=width is not None, broken=False)
    if width is not None and Measurement.get(console, console.options, table).maximum > width:
        table = _table(page, boxed=True, broken=True)
    drawn_table = _drawn(console, table)
    console.width = width or UNBOUNDED
    pieces = [_drawn(console, Text(page.title, style="bold")), drawn_table]
    if page.notes:
        pieces.append(_drawn(console, *(Text(note) for note in page.notes)))
    return "\n".join(pieces)


def _table(page: Page, *, boxed: bool, broken: bool) -> Table:
    """Lay the page out, with cells broken at their line feeds or each on one line."""
    table = Table(box=box.SIMPLE_HEAD if boxed else None, padding=(0, 1, 0, 0), show_edge=False)
    sides = ["left" if place < page.text_columns else "right" for place in range(len(page.columns))]

    def cells(row: tuple[str, ...], style: str = "") -> list[Text]:
        texts = row if broken else [cell.replace("\n", " ") for cell in row]
        return [
            Text(text, justify=side, style=style, no_wrap=True)  # type: ignore[arg-type]
            for text, side in zip(texts, sides, strict=True)
        ]

    for heading in cells(page.columns, "bold"):
        table.add_column(heading, no_wrap=True)
    for row in page.rows:
        table.add_row(*cells(row))
    return table


def _drawn(console: Console, *pieces: RenderableType) -> str:
    """The console's drawing, without blank lines around it or spaces at the ends of lines."""
    with console.capture() as captured:
        for piece in pieces:
            console.print(piece)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    return "".join(f"{line}\n" for line in lines if line)
