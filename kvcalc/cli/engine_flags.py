"""Flags of engines' servers on kvcalc's own command line: parted from its options, which win."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from kvcalc import engines
from kvcalc.engines.server import own_flags
from kvcalc.errors import KvcalcError, RequestError, quote
from kvcalc.spelling import nearest

OPTION = "--engine-flag"
"""The option that takes a flag with its values, as one text."""

ENGINE, FROM = ("-e", "--engine"), ("--from",)

USUAL = {
    **dict.fromkeys(("compare", "page"), tuple(engines.ENGINES)),
    "replay": ("vllm",),
    "sheet": ("ideal", "vllm", "llama.cpp", "sglang"),
}
"""The engines of a command that takes more than `ideal` where none is named."""

MEANT = {
    **dict.fromkeys(("--ctx", "--seq-len"), ("--context",)),
    **dict.fromkeys(("--batch", "--users", "--concurrency"), ("--sequences",)),
    **dict.fromkeys(("--quant", "--bits"), ("--kv-cache-dtype", "--weights-dtype")),
    "--vram": ("--gpu", "--gpu-memory"),
}
"""Options by words that no spelling is near to: of those, the ones that a command has."""


def moved(args: Sequence[str], options: Mapping[str, bool], command: str = "") -> list[str]:
    """Move each flag of an engine behind `OPTION`, to the end.

    `options` are the command's own, and whether each takes a value.

    Raises:
        RequestError: a flag is another engine's, or nobody's.
    """
    if options.keys().isdisjoint(ENGINE):
        _refuse_an_engine(args)
    names = named(args, options, command)
    own: list[str] = []
    flags: list[str] = []
    for foreign, words in steps(args, options, lambda place: _flag(args, place, names, options)):
        if foreign:
            flags += [OPTION, shlex.join(words)]
        else:
            own += words
    end = own.index("--") if "--" in own else len(own)
    return [*own[:end], *flags, *own[end:]]


def _refuse_an_engine(args: Sequence[str]) -> None:
    """Refuse an engine that is named to `check`; -e by itself is a flag of llama.cpp's."""
    for word, following in pairwise([*args, ""]):
        option, equals, value = word.partition("=")
        name = value if equals else following
        if option in ENGINE and engines.split_release(name)[0] in engines.ENGINES:
            expected = "none: the log says which engine it is of"
            raise RequestError.of(option, name, expected)


def named(args: Sequence[str], options: Mapping[str, bool], command: str) -> list[str]:
    """The engines that a command line names, or that its command takes where it names none."""
    return list(_engines(args, options)) or list(USUAL.get(command, ()))


def steps(
    args: Sequence[str], options: Mapping[str, bool], flag: Callable[[int], int]
) -> Iterator[tuple[bool, list[str]]]:
    """Go through the words: the command's own, and flags with their values, which `flag` counts."""
    place = 0
    while place < len(args):
        word = args[place]
        name, equals, _ = word.partition("=")
        count, foreign = 1, 0
        if word == "--":
            count = len(args) - place
        elif name in options:
            count += options[name] and not equals
        elif word.startswith("-") and len(word) > 1:
            foreign = flag(place)
        yield bool(foreign), list(args[place : place + (foreign or count)])
        place += foreign or count


def _engines(args: Sequence[str], options: Mapping[str, bool]) -> Iterator[str]:
    """The engines that a command line names: by -e, by --from, or as `diff` does."""
    for _, words in steps(args, options, lambda place: 0):
        option, *values = words[0].split("=", 1) if words[0].startswith("--") else words[:1]
        value = [*values, *words[1:]][:1]
        if option in ENGINE and value:
            yield from value[0].split(",")
        elif option in FROM and value:
            yield from _of_line(value[0])
        elif "@" in words[0] and engines.split_release(words[0])[0] in engines.ENGINES:
            yield words[0]


def _of_line(line: str) -> Iterator[str]:
    """The engine that a server's line starts, where it can be read."""
    from kvcalc.engines.server import reader
    from kvcalc.readers import line_files

    try:
        text = line_files.read(line) if line_files.names_a_file(line) else line
        yield reader.read(text)[0]
    except KvcalcError:
        return


def _flag(
    args: Sequence[str], place: int, names: Sequence[str], options: Mapping[str, bool]
) -> int:
    """Count the words of a flag of these engines; 0 for a short option with its value behind it."""
    if count := own_flags.span_of(args, place, names):
        return count
    word = args[place].partition("=")[0]
    glued = word[:2] in options and not word.startswith("--")
    if glued and not word[1:].isalpha():
        return 0
    owners = own_flags.owners(args, place)
    if owners and not {*ENGINE} & options.keys() and not names:
        return own_flags.span_of(args, place, owners)
    if owners:
        whose = f"an option of {', '.join(owners)}"
        beside = f", not of {', '.join(names)}" if names else f"; give -e {owners[0]}"
        raise RequestError.about(word, whose + beside, found=word)
    if glued:
        return 0
    meant = [option for option in MEANT.get(word.lower(), ()) if option in options]
    near = meant or nearest(word, [*options, *own_flags.known(names)])
    hint = f"; did you mean {', '.join(near)}" if near else ""
    raise RequestError(f"No such option: {quote(word)[1:-1]}{hint}", field=word, found=word)
