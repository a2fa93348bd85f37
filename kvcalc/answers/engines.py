"""The engines: the version that was read of each, what it runs, and its settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from kvcalc import engines
from kvcalc.engines.contract import About

LEAST = ("ge", "gt")
MOST = ("le", "lt")


@dataclass(frozen=True)
class EngineRow:
    """An engine, its version and source, the kinds of layers it runs and its element types."""

    engine: str
    version: str
    source: str
    kinds: tuple[str, ...]
    dtypes: tuple[str, ...]


@dataclass(frozen=True)
class SettingRow:
    """A setting: its default, what it may be, its unit and where the engine defines it."""

    setting: str
    default: Any
    values: str
    unit: str
    source: str


def catalogue() -> list[EngineRow]:
    """List the engines."""
    return [described(name) for name in engines.ENGINES]


def described(name: str) -> EngineRow:
    """Describe one engine.

    Raises:
        KvcalcError: no such engine.
    """
    engine = engines.find(name)
    return EngineRow(engine.name, engine.version, engine.source, engine.kinds, engine.dtypes)


def settings(name: str) -> list[SettingRow]:
    """List an engine's settings.

    Raises:
        KvcalcError: no such engine.
    """
    rows = []
    for field, info in engines.find(name).settings.model_fields.items():
        about = next((one for one in info.metadata if isinstance(one, About)), About("", ""))
        annotated = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        values = " or ".join(dict.fromkeys(_values(annotated)))
        rows.append(SettingRow(field, info.default, values, about.unit, about.source))
    return rows


def _values(annotation: Any, bounds: tuple[Any, ...] = ()) -> Iterator[str]:
    """Say what a setting of this type may be."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        yield from _values(inner, (*bounds, *metadata))
    elif origin in (Union, UnionType):
        for one in get_args(annotation):
            if one is not NoneType:
                yield from _values(one, bounds)
    elif origin is Literal:
        yield ", ".join(map(str, get_args(annotation)))
    elif annotation is bool:
        yield "true, false"
    elif annotation in (int, float):
        yield f"{_bound(bounds, LEAST)} to {_bound(bounds, MOST)}"
    else:
        yield "text" if annotation is str else "list"


def _bound(bounds: tuple[Any, ...], names: tuple[str, ...]) -> str:
    """Find a bound among the pieces of a field's metadata."""
    for piece in bounds:
        for one in getattr(piece, "metadata", [piece]):
            for name in names:
                value = getattr(one, name, None)
                if isinstance(value, int | float):
                    return f"{value:,}"
    return "any"
