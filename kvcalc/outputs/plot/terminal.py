"""Lines drawn in a terminal: a sign for each, so that they are told apart without colours too."""

import io
import sys
from collections.abc import Iterator
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from kvcalc.charts.lines import Line, Lines, notes
from kvcalc.charts.scale import Scale, tokens
from kvcalc.errors import printable
from kvcalc.units import binary_size, format_bytes

SIGNS = "●○■□▲△◆◇✚✖★☆"
COLOURS = ("blue", "red", "green", "magenta", "yellow", "cyan")
ROWS = 18
PIPE = 80
"""Columns where no terminal says its own."""
MOST, LEAST = 120, 40
LABEL = 9
"""Columns of the labels of bytes: "1,023 MiB"."""

Cells = list[list[tuple[str, str]]]
"""The sign and the style of each place, from the top left."""


def draw_for_stdout(of: Lines) -> str:
    """Draw for stdout: as wide as a terminal, in its colours, else plainly."""
    if sys.stdout and sys.stdout.isatty():
        return draw(of, Console().width, colours=True)
    return draw(of, PIPE)


def draw(of: Lines, width: int, *, colours: bool = False) -> str:
    """Draw lines in so many columns, with their legend and notes beneath."""
    columns = max(LEAST, min(width, MOST)) - LABEL - 2
    x, y = of.x, of.y
    cells: Cells = [[(" ", "")] * columns for _ in range(ROWS)]
    for budget in of.budgets():
        row = ROWS - 1 - y.place(budget, ROWS)
        cells[row] = [("╌", "bold")] * columns
    for place, line in reversed([*enumerate(of.lines)]):  # the first lies on top
        for column, row in _places(line, x, y, columns):
            cells[row][column] = _sign(place)
    drawn = [*_graph(cells, y), *_axis(x, columns)]
    under = Text(f"{'':{LABEL}}  {of.measure} by context, in tokens")
    texts = [Text(printable(of.title), "bold"), Text(), *drawn, under, Text(), *_legend(of)]
    console = Console(
        file=io.StringIO(), width=max(width, LEAST), height=25, force_terminal=colours
    )
    with console.capture() as captured:
        for text in texts:
            console.print(text, highlight=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _sign(place: int) -> tuple[str, str]:
    return SIGNS[place % len(SIGNS)], COLOURS[place % len(COLOURS)]


def _places(line: Line, x: Scale, y: Scale, columns: int) -> Iterator[tuple[int, int]]:
    """The columns and rows of a line, where it is steep without gaps."""
    before = None
    for column, size in _sizes(line, x, columns):
        if size > y.high:
            return
        row = ROWS - 1 - y.place(size, ROWS)
        crossed = range(row, row + 1)
        if before is not None and row != before:
            crossed = range(row, before) if row < before else range(before + 1, row + 1)
        yield from ((column, each) for each in crossed)
        before = row


def _sizes(line: Line, x: Scale, columns: int) -> Iterator[tuple[int, int]]:
    """The columns that a line crosses, with its bytes there: straight between its points."""
    points = [
        (x.place(context, columns), size)
        for context, size in zip(line.contexts, line.bytes, strict=True)
        if context <= x.high
    ]
    yield points[0]
    for (before, low), (column, size) in pairwise(points):
        for between in range(before + 1, column + 1):
            yield between, low + (size - low) * (between - before) // (column - before)


def _graph(cells: Cells, y: Scale) -> Iterator[Text]:
    ticks = {ROWS - 1 - y.place(tick, ROWS): tick for tick in y.ticks}
    for row, line in enumerate(cells):
        label = _short(ticks[row]) if row in ticks else ""
        text = Text(f"{label:>{LABEL}} {'┤' if row in ticks else '│'}")
        for sign, style in line:
            text.append(sign, style)
        yield text


def _short(size: int) -> str:
    return binary_size(size).replace(".00", "").replace("bytes", "B")


def _axis(x: Scale, columns: int) -> Iterator[Text]:
    """The axis of contexts, with as many labels as there is room for."""
    marks, labels = ["─"] * columns, [" "] * columns
    free = 0
    for tick in x.ticks:
        place, label = x.place(tick, columns), tokens(tick)
        marks[place] = "┬"
        start = min(max(0, place - len(label) // 2), columns - len(label))
        if start >= free:
            labels[start : start + len(label)] = label
            free = start + len(label) + 1
    yield Text(f"{'':{LABEL}} └{''.join(marks)}")
    yield Text(f"{'':{LABEL}}  {''.join(labels)}")


def _legend(of: Lines) -> Iterator[Text]:
    """Each line's sign, its name and its end, and what is said of it."""
    said: dict[int, list[str]] = {}
    for place, note in notes(of):
        said.setdefault(place, []).append(note)
    named = max(len(printable(line.label)) for line in of.lines)
    for place, line in enumerate(of.lines):
        end = f"{format_bytes(line.bytes[-1])} at {tokens(line.contexts[-1])}"
        row = Text.assemble(_sign(place), f" {printable(line.label):{named}}  {end}")
        yield row
        for note in said.get(place, ()):
            yield Text(f"  {note}")
    for size, whose in of.budgets().items():
        yield Text(f"╌ {format_bytes(size)}, {printable(whose)}")
