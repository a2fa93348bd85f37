"""An engine's own command line, read for what of it touches the cache: split, never run."""

import re
from collections.abc import Iterator

from kvcalc import engines
from kvcalc.engines.server import MODEL, Server, programs, python_calls, shell_words
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.flags import number, read_environment, read_flags
from kvcalc.engines.server.launch import Launch
from kvcalc.engines.server.launchers import script_of, unwrapped
from kvcalc.errors import RequestError, quote

MAX_CHARACTERS = 100_000

MAX_SCRIPTS = 3
"""How deep scripts of shells may be nested."""

COUNT = re.compile(r"[0-9.]+[kKmMgGtT]i?")
"""A count with a suffix, which each engine reads in its own way."""

NO_MODEL = (MODEL, f"{MODEL}.gguf")


def read(
    line: str,
    engine: str | None = None,
    release: str | None = None,
    *,
    context: int | None = None,
    sequences: int | None = None,
) -> tuple[str, Asked]:
    """Read a line such as "vllm serve MODEL --max-model-len 262144": its engine, and what it asks.

    A call in Python is read as the line that starts the same, as LLM(model="org/m").
    Arguments alone, without a program, are those of `engine`, if one is given. `release` is the
    engine's, whatever the line says of it. `context`, of one sequence, and `sequences` stand in
    place of a server's `own_amounts`. The word MODEL itself (MODEL.gguf, too) names no model, as no
    placeholder does.

    Raises:
        RequestError: it is too long, has an open quote, or starts no engine that kvcalc knows; or a
            flag has no value, or one that is not a positive number where one is expected, or is
            refused.
    """
    if (size := len(line)) > MAX_CHARACTERS:
        most = f"at most {MAX_CHARACTERS:,}"
        raise RequestError.about("--from", f"found {size:,} characters", found=size, expected=most)
    launches = [Launch(words, {}) for words in python_calls.calls(line)]
    launches = launches or list(_launches(line, {}, MAX_SCRIPTS))
    starting = [
        (launch, *found)
        for launch in launches
        if (found := programs.found(launch.words, engine)) is not None
    ]
    if not starting:
        raise programs.refusal(launches[0].words if launches else [])
    launch, start, words = starting[0]
    server = _server(start)
    asked = Asked(notes=launch.notes)
    if len(starting) > 1:
        asked.notes.append(f"the text starts {len(starting)} servers; the first is read")
    read_environment(launch.variables, server, start.engine, asked)
    read_flags(words, server, asked)
    if asked.model in NO_MODEL:
        asked.model = None
    _release(release or launch.release, start.engine, asked)
    if server.own_amounts:
        asked.context = asked.context or context
        asked.sequences = asked.sequences or sequences
    asked = server.finish(asked)
    for setting, value in asked.settings.items():
        if isinstance(value, str) and COUNT.fullmatch(value):
            asked.settings[setting] = number(server.number, value, setting)
    for what, amount in (("context", asked.context), ("sequences", asked.sequences)):
        if amount is not None and amount < 1:
            raise RequestError.about(
                "--from",
                f"{what}: found {quote(amount)}",
                found=amount,
                expected="at least 1",
            )
    return start.engine, asked


def _launches(text: str, variables: dict[str, str], deep: int) -> Iterator[Launch]:
    """Go through the commands of a text, without what stands before their programs."""
    try:
        commands = list(shell_words.commands(text, variables))
    except shell_words.OpenQuoteError as error:
        raise RequestError.about(
            "--from", f"{quote(text)} cannot be split into words ({error})"
        ) from None
    for set_before, words in commands:
        launch = unwrapped(Launch(words, set_before), lambda words: bool(programs.found(words)))
        script = script_of(launch.words) if deep else None
        if script is None:
            yield launch
            continue
        for inner in _launches(script, launch.variables, deep - 1):
            inner.release = inner.release or launch.release
            inner.notes = launch.notes + inner.notes
            yield inner


def _server(start: programs.Start) -> Server:
    engine = engines.find(start.engine)
    server = engine.server if start.line is None else engine.lines[start.line]
    if server is None:
        raise RequestError.about("--from", f"kvcalc does not read the flags of {start.engine}")
    return server


def _release(release: str | None, engine: str, asked: Asked) -> None:
    """Take a release that was given, or that an image names, where the engine has several."""
    if release is None:
        return
    found = engines.find(engine)
    if "release" in found.settings.model_fields:
        asked.settings["release"] = release
    elif release != found.version:
        asked.notes.append(
            f"the image's {engine} is {quote(release)}; the figures are {found.version}'s"
        )
