"""The words of one engine's command line: its flags and variables, each by the engine's table."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from kvcalc.engines.server import AS_MANY_AS_FOLLOW, PAST_MAXIMUM, Server
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.json_flags import Dotted
from kvcalc.engines.server.loading import Loading
from kvcalc.errors import RequestError, quote

FLAG = re.compile(r"--?[A-Za-z].*", re.DOTALL)

IN_A_FOLDER = re.compile(r"\$\{?[A-Za-z_]\w*\}?[\\/](?:[^$]*[\\/])?[^$\\/]+\.gguf")
"""A file whose folder is a variable's, and whose name is said."""

PLACEHOLDER = re.compile(r"<[^<>]*>|\.{3}|…|\${1,2}(?:\{?[A-Za-z_@*].*)", re.DOTALL)
"""What stands for what the line does not say; a compose file doubles the dollar of a variable that
its shell fills in."""


def read_environment(variables: dict[str, str], server: Server, engine: str, asked: Asked) -> None:
    """Take the variables that are settings; others of the engine's own, as VLLM_..., are named."""
    own = server.prefix or (re.split("[^a-z]", engine)[0].upper() + "_",)
    said = {name: why for why, names in server.said_variables.items() for name in names.split()}
    unknown = []
    for variable, value in variables.items():
        if server.environment.get(variable) == PAST_MAXIMUM:
            continue
        if variable in server.environment:
            _take(server.environment[variable], value, variable, server, asked)
        elif value.lower() in server.own_values.get(variable, ()):
            asked.passed[variable] = value
        elif variable in said or variable in server.harmless_variables:
            asked.passed[variable] = value
            if variable in said:
                asked.notes.append(f"{variable}: {said[variable]}")
        elif variable.startswith(own):
            unknown.append(variable)
    _unknown(unknown, server, asked)


def read_flags(words: list[str], server: Server, asked: Asked) -> None:
    """Take what the words after a program say; what is not known is named.

    Raises:
        RequestError: a flag has no value, one that is not expected, or is refused.
    """
    unknown = []
    dotted = Dotted()
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if FLAG.fullmatch(word):
            name, equals, value = word.partition("=")
            following = [value] if equals else _values_after(words, place)
            if server.dotted and "." in name:
                place += dotted.take(_dotted(name, server), following[:1], bool(equals))
                continue
            flag = _spelled(name, server)
            if flag not in server.known:
                unknown.append(flag)
            taken = _flag(flag, bool(equals), following, server, asked)
            place += 0 if equals else taken
        elif server.positional_model and asked.model is None and not PLACEHOLDER.fullmatch(word):
            asked.model = word
        else:
            unknown.append(word)
    for flag, value in dotted.values.items():
        if flag in server.gives:
            _take(server.gives[flag], value, flag, server, asked)
        elif flag not in server.known:
            unknown.append(flag)
    unsaid = [word for word in unknown if PLACEHOLDER.fullmatch(word)]
    if server.positional_model and asked.model is None and asked.named_by is None:
        unsaid = unsaid[1:]  # the first one stands for the model
    _unsaid(unsaid, asked)
    _unknown([word for word in unknown if not PLACEHOLDER.fullmatch(word)], server, asked)


def span(words: Sequence[str], place: int, server: Server) -> int:
    """Count the words of the flag at a place, with its values; 0 if the server has no such flag."""
    word = words[place]
    name, equals, _ = word.partition("=")
    if not FLAG.fullmatch(word):
        return 0
    dotted = server.dotted and "." in name
    flag = _spelled(name.partition(".")[0] if dotted else name, server)
    if flag not in server.known:
        return 0
    if equals or flag in server.switches or flag in server.bundles:
        return 1
    following = len(_values_after(list(words), place + 1))
    if flag in server.several and not dotted:
        return 1 + following
    takes = 1 if dotted or flag in server.gives else server.counts[flag]
    return 1 + (following if takes == AS_MANY_AS_FOLLOW else min(takes, following))


def _unsaid(words: list[str], asked: Asked) -> None:
    """Name words that may stand for flags."""
    if words:
        listed = ", ".join(quote(word) for word in dict.fromkeys(words[:20]))
        asked.notes.append(f"{listed}: what it stands for is not read, and may be flags")


def _unknown(words: list[str], server: Server, asked: Asked) -> None:
    """Name words that are not known; refuse one that may say how much is held."""
    for word in words:
        if server.decides and re.search(server.decides, word.lower()):
            why = f"{quote(word)} is not known, and may say how much is held"
            raise RequestError.about(asked.where, why, found=word)
    asked.name_unknown(words)


def _flag(flag: str, equals: bool, following: list[str], server: Server, asked: Asked) -> int:
    """Take one flag with the values that stand behind it, and count those that are its own.

    Raises:
        RequestError: it has no value, has one where none is expected, or is refused.
    """
    if flag in server.refusals:
        raise RequestError.about(asked.where, f"{flag}: {server.refusals[flag]}")
    if flag in server.switches or flag in server.bundles:
        if equals:
            raise RequestError.about(
                asked.where,
                f"{quote(flag)}: found {quote(following[0])}",
                found=following[0],
                expected="no value",
            )
        for name, value in (server.bundles.get(flag) or dict([server.switches[flag]])).items():
            _give(name, value, flag, asked)
        return 0
    if flag in server.gives:
        if not following and flag in server.bare:
            asked.give(server.gives[flag], server.bare[flag])
            return 0
        if not following:
            raise RequestError.about(asked.where, f"{quote(flag)} has no value")
        taken = following if flag in server.several else following[:1]
        _take(server.gives[flag], ",".join(taken), flag, server, asked)
        return len(taken)
    if flag in server.remarks:
        asked.notes.append(f"{flag}: {server.remarks[flag]}")
    takes = server.ignored.get(flag, 1)
    asked.passed[flag] = ",".join(following[:takes] if takes >= 0 else following)
    if (reason := server.loading.get(flag)) is not None:
        asked.loading.append(Loading(flag, asked.passed[flag], reason))
    return len(following) if takes == AS_MANY_AS_FOLLOW else min(takes, len(following))


def _spelled(flag: str, server: Server) -> str:
    """Find a flag as the table spells it: engines take underscores for dashes, some a beginning."""
    dashes = len(flag) - len(flag.lstrip("-"))
    dashed = flag[:dashes] + flag[dashes:].replace("_", "-")
    for one in (flag, dashed):
        if one in server.known:
            return one
    if server.abbreviates and dashes > 1:
        begun = [one for one in server.known if one.startswith(dashed)]
        if len(begun) == 1:
            return begun[0]
    return flag


def _dotted(name: str, server: Server) -> str:
    """Spell the flag before the first dot, as in --speculative_config.method."""
    flag, dot, keys = name.partition(".")
    return f"{_spelled(flag, server)}{dot}{keys}"


def _values_after(words: list[str], place: int) -> list[str]:
    end = next((at for at in range(place, len(words)) if FLAG.fullmatch(words[at])), len(words))
    return words[place:end]


def _take(name: str, value: str, flag: str, server: Server, asked: Asked) -> None:
    named = name == "model" and IN_A_FOLDER.fullmatch(value)
    if PLACEHOLDER.fullmatch(value) and not named:
        if name == "model":
            asked.named_by = flag
        else:
            asked.notes.append(f"{flag}: {quote(value)} stands for a value, and is not taken")
    elif name not in ("context", "sequences"):
        before = asked.settings.get(name) if name in server.adds else None
        _give(name, value if before is None else f"{before},{value}", flag, asked)
    elif value not in ("auto", "-1"):
        asked.give(name, number(server.number, value, flag))


def _give(name: str, value: Any, flag: str, asked: Asked) -> None:
    asked.give(name, value)
    if name == "model":
        asked.named_by = flag


def number(read: Callable[[str], int], value: str, flag: str) -> Any:
    """Read a count as the engine does.

    Raises:
        RequestError: it is not one.
    """
    try:
        return read(value)
    except (ValueError, OverflowError):
        raise RequestError.about(
            "--from",
            f"{quote(flag)}: found {quote(value)}",
            found=value,
            expected="a whole number",
        ) from None
