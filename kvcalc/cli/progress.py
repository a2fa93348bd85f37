"""A progress bar on stderr, if that is a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvcalc.readers.table import Table

EVERY_ROWS = 4_096


def _watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show a spinner and the time that it takes so far."""
    if not _watched():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(text, total=None)
        yield


def reading(table: Table, source: Path | None) -> Iterator[tuple[int, list[str]]]:
    """Yield a table's rows, with a bar that shows how much of its file was read."""
    if source is None or table.file is None or not _watched():
        yield from table.rows
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading", total=source.stat().st_size)
        for count, row in enumerate(table.rows):
            if not count % EVERY_ROWS:
                progress.update(bar, completed=table.file.tell())
            yield row
