"""What a person reads: a title, a table, and notes beneath it."""

from typing import NamedTuple

from kvcalc.units import binary_size


class Page(NamedTuple):
    """An answer laid out for people, as text that any form (terminal, Markdown) can show.

    The first `text_columns` columns are words and set to the left; the rest are amounts. A line
    feed in a cell or a column's name is where it may be broken when there is little room.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 0
    notes: tuple[str, ...] = ()


def bytes_cell(size_bytes: int) -> str:
    """A byte count, exact, and in its binary unit."""
    return f"{size_bytes:,}\n({binary_size(size_bytes)})"
