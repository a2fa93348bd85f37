"""The engines: which version of each was read, what it runs, and its settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from kvcalc import engines
from kvcalc.engines.engine import About, Engine
from kvcalc.records import Records

AMOUNTS = ("context", "sequences")
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
    """A setting: its default, what it may be, its unit and where the engine defines it.

    `flags` are those of the engine's server that give it, which kvcalc takes too.
    """

    setting: str
    flags: str
    default: Any
    values: str
    unit: str
    source: str


@dataclass(frozen=True)
class DescribedEngine(EngineRow):
    """An engine with its settings, its share of a GPU's memory among them.

    `amounts` are the flags of its server for the context and the sequences.
    """

    settings: tuple[SettingRow, ...]
    amounts: Mapping[str, str]


def list_engines() -> Records[EngineRow]:
    """List the engines."""
    return Records(EngineRow(**_row(engines.find(name))) for name in engines.ENGINES)


def describe_engine(name: str) -> DescribedEngine:
    """Describe one engine.

    Raises:
        RequestError: there is no such engine.
    """
    engine = engines.find(name)
    rows = (*_settings(engine), *_share(engine))
    amounts = {name: flags for name in AMOUNTS if (flags := _flags(engine, name))}
    return DescribedEngine(**_row(engine), settings=rows, amounts=amounts)


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
        flags = _flags(engine, field)
        yield SettingRow(field, flags, info.default, values, about.unit, about.source)


def _share(engine: Engine) -> Iterator[SettingRow]:
    """The engine's share of a GPU's memory, which `fit` takes."""
    memory = engine.memory
    if memory is None or memory.share is None:
        return
    default = None if callable(memory.default) else f"{float(memory.default):g}"
    source = memory.source.format(version=engine.version)
    yield SettingRow(
        memory.share, _flags(engine, "share"), default, "above 0 to 1", "of a GPU's memory", source
    )


def _flags(engine: Engine, name: str) -> str:
    """The flags of the engine's server that give a setting or an amount."""
    server = engine.server
    if server is None:
        return ""
    switches = [flag for flag, (setting, _) in server.switches.items() if setting == name]
    found = [*(flag for flag, gives in server.gives.items() if gives == name), *switches]
    same = f"--{name.replace('_', '-')}"
    return " ".join(found or [same] * (same in server.known))


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
