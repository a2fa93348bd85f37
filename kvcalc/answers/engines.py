"""The engines: which version of each was read, what it runs, and its settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from kvcalc import engines
from kvcalc.engines.engine import About, Engine
from kvcalc.records import Records

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


@dataclass(frozen=True)
class DescribedEngine(EngineRow):
    """An engine with its settings."""

    settings: tuple[SettingRow, ...]


def list_engines() -> Records[EngineRow]:
    """List the engines."""
    return Records(EngineRow(**_row(engines.find(name))) for name in engines.ENGINES)


def describe_engine(name: str) -> DescribedEngine:
    """Describe one engine.

    Raises:
        RequestError: there is no such engine.
    """
    engine = engines.find(name)
    return DescribedEngine(**_row(engine), settings=tuple(_settings(engine)))


def _row(engine: Engine) -> dict[str, Any]:
    return {
        "engine": engine.name,
        "version": engine.version,
        "source": engine.source,
        "kinds": engine.kinds,
        "dtypes": engine.dtypes,
    }


def _settings(engine: Engine) -> Iterator[SettingRow]:
    for field, info in engine.settings.model_fields.items():
        about = next(one for one in info.metadata if isinstance(one, About))
        values = " or ".join(dict.fromkeys(_values(Annotated[info.annotation, *info.metadata])))
        if field == "kv_cache_dtype":
            values = "an element type"
        yield SettingRow(field, info.default, values, about.unit, about.source)


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
        least, most = _bound(bounds, LEAST), _bound(bounds, MOST)
        yield f"{least or 'any'} to {most or 'any'}" if least or most else "a number"
    else:
        yield "text" if annotation is str else "list"


def _bound(bounds: tuple[Any, ...], names: tuple[str, ...]) -> str | None:
    """Find a bound among the pieces of a field's metadata."""
    for piece in bounds:
        for one in getattr(piece, "metadata", [piece]):
            for name in names:
                value = getattr(one, name, None)
                if isinstance(value, int | float):
                    return f"{value:,}"
    return None
