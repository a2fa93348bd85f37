"""Flags of an engine's server that stand beside kvcalc's own options: found, and read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from kvcalc import engines
from kvcalc.engines.server import Server
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.flags import read_flags, span
from kvcalc.engines.server.programs import Start
from kvcalc.errors import RequestError
from kvcalc.units import parse_tokens

LINES: Mapping[str, Start] = {
    "llama.cpp": Start("llama.cpp", "one sequence"),
    "ollama": Start("llama.cpp", "ollama"),
}
"""The command line whose flags an engine's name stands for, if it is not its server's.

kvcalc's own options say how many sequences there are, so a program of one sequence stands in for a
server that would make slots.
"""


PROGRAMS = ("ollama",)
"""Programs whose own defaults hold even where no flag is given."""


def server_of(name: str) -> Server | None:
    """The flags of an engine by the name that is typed; None of one without a server."""
    start = LINES.get(name.lower()) or LINES.get(engines.split_release(name)[0])
    found = engines.find(name)
    server = found.server if start is None or start.line is None else found.lines[start.line]
    # In full, and with kvcalc's own reading of 8k: only a line is read as the server reads it.
    return server and replace(server, abbreviates=False, number=parse_tokens)


def span_of(words: Sequence[str], place: int, names: Iterable[str]) -> int:
    """Count the words of a flag of one of the engines at a place; 0 if none starts there."""
    servers = filter(None, map(server_of, names))
    return max((span(words, place, server) for server in servers), default=0)


def owners(words: Sequence[str], place: int) -> list[str]:
    """The engines that have the flag at a place."""
    return [name for name in engines.ENGINES if span_of(words, place, [name])]


def known(names: Iterable[str]) -> set[str]:
    """All flags of some engines."""
    return {flag for server in filter(None, map(server_of, names)) for flag in server.known}


def read(
    flags: Iterable[Sequence[str]],
    name: str,
    release: str | None = None,
    *,
    context: int | None = None,
    sequences: int | None = None,
) -> Asked:
    """Read those flags that an engine has, as its server's line would say them.

    `context` is of one sequence: it and `sequences` are what kvcalc's own options say.

    Raises:
        RequestError: a flag has no value, one that is not expected, or is refused.
    """
    server, asked = server_of(name), Asked(where=f"{name}'s option")
    if server is None:
        return asked
    own = [flag for flag in flags if span(flag, 0, server)]
    if not own and name.lower() not in PROGRAMS:
        return asked
    if release is not None:
        asked.settings["release"] = release
    read_flags(list(chain.from_iterable(own)), server, asked)
    for what, typed, given in (
        ("context", context, asked.context),
        ("sequences", sequences, asked.sequences),
    ):
        if typed is not None and given is not None:
            raise RequestError.about(f"--{what}", f"given by a flag of {name} too; give one")
    sharing = 1
    if server.context_of_all:
        asked.sequences = sharing = sequences or asked.sequences or 1
    elif sequences is not None:
        asked.sequences = sequences
    if context is not None:
        asked.context = context * sharing
    asked = server.finish(asked)
    asked.settings.pop("release", None)
    return asked
