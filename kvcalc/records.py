"""What answers are made of: records, and lists of them, which a notebook shows as tables."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Never, TypeVar, dataclass_transform

from kvcalc.errors import RequestError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from kvcalc.charts.chart import Chart

Row = TypeVar("Row", bound="DataclassInstance")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record:
    """A frozen dataclass of the attributes that a class annotates.

    Its methods are written once, here: `dataclass` writes and compiles six for every class anew,
    half a millisecond at every start.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls) -> None:
        dataclass(init=False, repr=False, eq=False)(cls)

    def __init__(self, *values: Any, **given: Any) -> None:
        names = self.__dataclass_fields__
        if len(values) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} values, found {len(values)}")
        held = self.__dict__
        held.update(zip(names, values, strict=False), **given)
        if len(held) < len(values) + len(given):
            twice = min(given.keys() & list(names)[: len(values)])
            raise TypeError(f"{type(self).__name__} is given {twice} twice")
        if held.keys() != names.keys():
            if unknown := held.keys() - names.keys():
                raise TypeError(f"{type(self).__name__} has no {min(unknown)}")
            held |= {name: _default(self, name) for name in names if name not in held}

    def __repr__(self) -> str:
        values = (f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__)
        return f"{type(self).__name__}({', '.join(values)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        own, others = self.__dict__, other.__dict__
        return all(own[name] == others[name] for name in self.__dataclass_fields__)

    def __hash__(self) -> int:
        own, hashed = self.__dict__, self.__dataclass_fields__.items()
        return hash(tuple(own[name] for name, one in hashed if one.hash is not False))

    def __setattr__(self, name: str, value: object) -> Never:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> Never:
        raise FrozenInstanceError(f"cannot delete field {name!r}")


def _default(record: Record, name: str) -> object:
    found = record.__dataclass_fields__[name]
    if found.default_factory is not MISSING:
        return found.default_factory()
    if found.default is MISSING:
        raise TypeError(f"{type(record).__name__} lacks {name}")
    return found.default


class Records(list[Row]):
    """A list of dataclasses of one kind, which `pandas.DataFrame` and `polars.DataFrame` take.

    A notebook shows it as a table; what is the same in all rows stands over it, once.
    """

    def plot(self) -> "Chart":
        """Draw them: a sweep's rows as curves, a comparison's as bars.

        Raises:
            RequestError: there is no picture of such answers, or none of no answers.
        """
        drawn = getattr(type(self[0]), "_drawn", None) if self else None
        if drawn is None:
            which = type(self[0]).__name__ if self else "no answers"
            raise RequestError.about("plot", f"found {which}, which has no picture")
        chart: Chart = drawn(self)
        return chart

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
