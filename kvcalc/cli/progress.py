"""A progress bar on stderr, where a person watches."""

import sys
from collections.abc import Iterator
from pathlib import Path

from kvcalc.readers.rows import Table

EVERY_ROWS = 4_096


def reading(table: Table, source: Path | None) -> Iterator[tuple[int, list[str]]]:
    """Hand on a table's rows, with a bar of how much of its file was read."""
    if source is None or table.file is None or not sys.stderr or not sys.stderr.isatty():
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
