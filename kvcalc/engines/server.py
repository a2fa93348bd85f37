"""How engines are started: what of their own command lines says something of the cache."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple


@dataclass
class Asked:
    """What a command line asks for: the model's source, amounts as typed, and engine settings.

    `context` and `sequences` are text with the engine's own suffixes resolved by `CommandLine`;
    `shares_maximum` says that without a context the server shares the model's own among the
    sequences. `notes` are sentences for the person who asked, as of a default of the server's.
    """

    model: str | None = None
    context: int | None = None
    sequences: int | None = None
    shares_maximum: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class CommandLine(NamedTuple):
    """The flags of an engine's server.

    `values` maps a flag that takes a value to what it gives: "model", "context", "sequences" or
    the name of a setting; `switches` one that takes none to a setting and its value. Flags of
    `ignored` touch no cache; they are mapped to how many values each takes (-1: as many as
    follow). `several` are those of `values` that take as many as follow, which are joined by
    commas. `environment` maps variables set before the program to settings. `positional_model`
    says that the first bare word is the model, and `abbreviates` that a long flag may be cut to
    what no other begins with, as Python's argparse takes it. `number` reads a count as the engine
    does, and `finish` makes of what was asked what the server makes of it.
    """

    values: Mapping[str, str]
    switches: Mapping[str, tuple[str, Any]] = MappingProxyType({})
    ignored: Mapping[str, int] = MappingProxyType({})
    several: frozenset[str] = frozenset()
    environment: Mapping[str, str] = MappingProxyType({})
    positional_model: bool = False
    abbreviates: bool = False
    number: Callable[[str], int] = int
    finish: Callable[[Asked], Asked] = lambda asked: asked
