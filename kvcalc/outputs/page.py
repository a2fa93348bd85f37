"""A page for people: a title, a table, and notes beneath it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kvcalc.errors import lines_printable, printable
from kvcalc.units import binary_size


class Page(NamedTuple):
    """An answer laid out for people, as text that any format (terminal, Markdown) can show.

    The first `text_columns` columns are words, aligned left; the rest are amounts. A line feed in a
    cell or a column's name marks where it may be broken to save room.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 0
    notes: tuple[str, ...] = ()


def settings_note(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """A note on the settings that differ from an engine's defaults, if there are any."""
    stated = ", ".join(f"{name} {value}" for name, value in settings.items())
    return (f"settings: {stated}",) if stated else ()


def bytes_cell(size_bytes: int) -> str:
    """A byte count, exact and in its binary unit."""
    return f"{size_bytes:,}\n({binary_size(size_bytes)})"


def shown(page: Page) -> Page:
    """Escape what would be obeyed instead of shown: names of files may hold any character.

    A line feed stays where it marks how a cell may be broken.
    """
    return page._replace(
        title=printable(page.title),
        columns=_broken(page.columns),
        rows=tuple(map(_broken, page.rows)),
        notes=tuple(map(printable, page.notes)),
    )


def _broken(cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(lines_printable, cells))
