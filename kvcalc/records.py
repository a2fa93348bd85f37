"""Answers of several records: a list, which a notebook shows as a table."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


class Records(list[Record]):
    """A list of dataclasses of one kind, which `pandas.DataFrame` and `polars.DataFrame` take.

    A notebook shows it as a table; what is the same in all rows stands over it, once.
    """

    def _repr_html_(self) -> str:
        from kvcalc.html_table import html_table

        names = [one.name for one in fields(self[0])] if self else []
        columns = {name: [_cell(getattr(row, name)) for row in self] for name in names}
        shared = {
            name: cells[0]
            for name, cells in columns.items()
            if len(self) > 1 and all(cell == cells[0] for cell in cells)
        }
        told = [f"{name} {cell}" for name, cell in shared.items() if cell not in (None, "")]
        varying = [name for name in columns if name not in shared]
        rows = zip(*(columns[name] for name in varying), strict=True)
        return html_table("; ".join(told), rows, varying)


def _cell(value: Any) -> Any:
    """A field for a cell: a mapping as its items, a list of parts as how many there are."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return len(value) if isinstance(value, list | tuple) else value
