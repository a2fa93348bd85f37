"""An engine's own command line, read for what of it touches the cache: split, never run."""

import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kvcalc import engines
from kvcalc.engines.server import AS_MANY_AS_FOLLOW, MODEL, Asked, Server
from kvcalc.errors import RequestError, quote

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CHARACTERS = 100_000

SUBCOMMANDS = {"serve", "api_server"}
"""Words between a program and its flags."""

PYTHON = re.compile(r"python[0-9.]*")
PYTHON_SWITCHES = {"-B", "-E", "-I", "-O", "-s", "-u"}
COUNT = re.compile(r"[0-9.]+[kKmMgGtT]")
"""A count with a suffix, which engines read each in its own way."""

VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
FLAG = re.compile(r"--?[A-Za-z].*", re.DOTALL)


def read(line: str) -> tuple[str, Asked]:
    """Read a line such as "vllm serve MODEL --max-model-len 262144": its engine, and what it asks.

    The word MODEL itself (MODEL.gguf, too) names no model; a lone # begins a comment.

    Raises:
        RequestError: it is too long, has an open quote, or starts no engine that kvcalc knows; or a
            flag has no value, or one that is not a positive number where one is expected.
    """
    words = _split(line)
    variables = {}
    while words and (match := VARIABLE.fullmatch(words[0])):
        variables[match[1]] = match[2]
        del words[0]
    name, words = _program(words)
    server = engines.find(name).server
    if server is None:
        raise RequestError.about("--from", f"kvcalc does not read the flags of {name}")
    asked = Asked()
    _environment(variables, server, name, asked)
    _flags(words, server, asked)
    if asked.model in (MODEL, f"{MODEL}.gguf"):
        asked.model = None
    asked = server.finish(asked)
    for setting, value in asked.settings.items():
        if isinstance(value, str) and COUNT.fullmatch(value):
            asked.settings[setting] = _number(server.number, value, setting)
    for what, amount in (("context", asked.context), ("sequences", asked.sequences)):
        if amount is not None and amount < 1:
            raise RequestError.about(
                "--from", f"{what}: found {quote(amount)}, expected at least 1"
            )
    return name, asked


def _split(line: str) -> list[str]:
    if len(line) > MAX_CHARACTERS:
        raise RequestError.about(
            "--from", f"found {len(line):,} characters, expected at most {MAX_CHARACTERS:,}"
        )
    try:
        words = shlex.split(line.replace("\\\r\n", " ").replace("\\\n", " "))
    except ValueError as error:
        raise RequestError.about(
            "--from", f"{quote(line)} cannot be split into words ({str(error).lower()})"
        ) from None
    return words[: words.index("#")] if "#" in words else words


def _program(words: list[str]) -> tuple[str, list[str]]:
    """Find the engine that a program starts, and the words after it and its subcommands."""
    rest = list(words)
    if rest and PYTHON.fullmatch(PurePath(rest[0]).name):
        del rest[0]
        while rest and rest[0] in PYTHON_SWITCHES:
            del rest[0]
        if rest[:1] == ["-m"]:
            del rest[0]
    program = PurePath(rest[0]).name if rest else ""
    for name, row in engines.ENGINES.items():
        if program in row.programs:
            del rest[0]
            while rest and rest[0] in SUBCOMMANDS:
                del rest[0]
            return name, rest
    known = ", ".join(program for row in engines.ENGINES.values() for program in row.programs)
    raise RequestError.of("--from", program, f"one of {known}")


def _environment(variables: dict[str, str], server: Server, engine: str, asked: Asked) -> None:
    """Take the variables that are settings; others of the engine's own, as VLLM_..., are named."""
    own = re.split("[^a-z]", engine)[0].upper()
    unknown = []
    for variable, value in variables.items():
        if variable in server.environment:
            asked.settings[server.environment[variable]] = value
        elif variable.startswith(f"{own}_"):
            unknown.append(variable)
    asked.name_unknown(unknown)


def _flags(words: list[str], server: Server, asked: Asked) -> None:
    unknown = []
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if FLAG.fullmatch(word):
            name, equals, value = word.partition("=")
            flag = _spelled(name, server)
            following = [value] if equals else _values_after(words, place)
            if flag not in server.known:
                unknown.append(flag)
            taken = _flag(flag, bool(equals), following, server, asked)
            place += 0 if equals else taken
        elif server.positional_model and asked.model is None:
            asked.model = word
        else:
            unknown.append(word)
    asked.name_unknown(unknown)


def _flag(flag: str, equals: bool, following: list[str], server: Server, asked: Asked) -> int:
    """Take one flag with the values that stand behind it, and count those that are its own.

    Raises:
        RequestError: it has no value, has one where none is expected, or is refused.
    """
    if flag in server.refusals:
        raise RequestError.about("--from", f"{flag}: {server.refusals[flag]}")
    if flag in server.switches:
        if equals:
            found = quote(following[0])
            raise RequestError.about("--from", f"{quote(flag)}: found {found}, expected no value")
        setting, switched = server.switches[flag]
        asked.settings[setting] = switched
        return 0
    if flag in server.gives:
        if not following:
            raise RequestError.about("--from", f"{quote(flag)} has no value")
        taken = following if flag in server.several else following[:1]
        _take(server.gives[flag], ",".join(taken), flag, server, asked)
        return len(taken)
    if flag in server.remarks:
        asked.notes.append(f"{flag}: {server.remarks[flag]}")
    takes = server.ignored.get(flag, 1)
    asked.passed[flag] = ",".join(following[:takes] if takes >= 0 else following)
    return len(following) if takes == AS_MANY_AS_FOLLOW else min(takes, len(following))


def _spelled(flag: str, server: Server) -> str:
    """Find a flag as the table spells it: engines take underscores for dashes, some a beginning."""
    dashed = "-" * (len(flag) - len(flag.lstrip("-"))) + flag.lstrip("-").replace("_", "-")
    if server.abbreviates and flag.startswith("--") and flag not in server.known:
        begun = [one for one in server.known if one.startswith(flag)]
        if len(begun) == 1:
            return begun[0]
    return next((one for one in (flag, dashed) if one in server.known), flag)


def _values_after(words: list[str], place: int) -> list[str]:
    end = next((at for at in range(place, len(words)) if FLAG.fullmatch(words[at])), len(words))
    return words[place:end]


def _take(name: str, value: str, flag: str, server: Server, asked: Asked) -> None:
    if name in ("model", "share"):
        setattr(asked, name, value)
    elif name in ("context", "sequences"):
        if value in ("auto", "-1"):
            return
        setattr(asked, name, _number(server.number, value, flag))
    else:
        asked.settings[name] = value


def _number(read_number: "Callable[[str], int]", value: str, flag: str) -> Any:
    try:
        return read_number(value)
    except (ValueError, OverflowError):
        raise RequestError.about(
            "--from", f"{quote(flag)}: found {quote(value)}, expected a whole number"
        ) from None
