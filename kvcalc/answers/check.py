"""A start-up log compared with kvcalc's own figures: one verdict per printed figure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from kvcalc import engines
from kvcalc.catalogue.models import find
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.engines.log import (
    AGREES,
    ASSUMED,
    CANNOT,
    DIFFERS,
    GIVEN,
    LOGGED,
    NO_MODEL,
    Checked,
    EngineLog,
    Found,
    Subject,
)
from kvcalc.errors import KvcalcError, SourceError, quote
from kvcalc.files import opened
from kvcalc.model import Model
from kvcalc.parameters.stored import Stored
from kvcalc.readers.log import read_log
from kvcalc.readers.metrics import fetched, is_address
from kvcalc.readers.preset import read as read_preset
from kvcalc.readers.weights import Weights
from kvcalc.records import Records
from kvcalc.spelling import not_among
from kvcalc.units import parse_tokens

__all__ = ["AGREES", "CANNOT", "DIFFERS", "Checked", "check", "read", "verdicts"]

MODEL_NAMED = re.compile(r"\bmodel(?:_path|_tag)?'?[=:] ?'([^']{1,200})'")

ENUMERATED = "<[A-Za-z0-9_.]{1,60}: "
"""What stands before the value of a Python enumeration's member, as in <QuantPolicy.INT8: 8>."""

AMOUNTS = ("context", "sequences")
"""The tokens of one sequence, and the number of sequences, which any engine's run may be given."""


def check(
    log: str | Path | BinaryIO,
    model: Model | None = None,
    *,
    weights: Weights | None = None,
    settings: Settings | None = None,
    **given: Any,
) -> Records[Checked]:
    """Check each figure that an engine's start-up log prints.

    `log` is a file's path, the address of a running server's metrics
    (http://localhost:8000/metrics), or an open binary file, which is read once. A model and
    settings that are given override those that the log names; settings are given as to
    `kvcalc.cost`, and include context and sequences. `weights` are those of a GGUF file, whose
    tensors llama.cpp's buffers are held against.

    Raises:
        KvcalcError: the log cannot be read or has no figure to check, or a setting that the engine
            refuses.
    """
    if isinstance(log, str | Path):
        name = str(log)
        with fetched(name) if is_address(name) else opened(Path(log)) as stream:
            found = read(stream, name)
    else:
        name = str(getattr(log, "name", "log")).strip("<>")
        found = read(log, name)
    stored = weights.tensors if weights else ()
    rows = verdicts(found, model, request.named(settings, given), stored)
    if not rows:
        hints = dict.fromkeys(engines.logs()[line.engine].hint for line in found)
        words = "; ".join(["found no figure to check, only settings", *filter(None, hints)])
        raise SourceError.of(name, words)
    return Records(rows)


def read(stream: BinaryIO, name: str) -> list[Found]:
    """Find the lines of a log in which an engine prints figures of its cache, in their order.

    Raises:
        SourceError: the log is not text, or has no known line, or more than 10,000 of them.
    """
    logs = engines.logs()
    known = {pattern: engine for engine, log in logs.items() for pattern in log.patterns}
    found = [
        Found(match.line, known[match.pattern], match.pattern.kind, match.values)
        for match in read_log(stream, name, list(known))
    ]
    if not found:
        raise SourceError.of(
            name, f"found no known line; expected a start-up log of {', '.join(logs)}"
        )
    return found


def verdicts(
    found: Sequence[Found],
    model: Model | None = None,
    settings: Mapping[str, Any] | None = None,
    stored: tuple[Stored, ...] = (),
) -> list[Checked]:
    """Compare every figure of a log with what the engine's rules give.

    Lines are those of `read`. A model or settings that are given override those that the log
    names; settings include context and sequences. `stored` are the tensors of the model's file.

    Raises:
        KvcalcError: a setting that the engine refuses.
    """
    logs = {
        engine: engines.logs()[engine] for engine in dict.fromkeys(line.engine for line in found)
    }
    _require_known(settings or {}, logs)
    rows: list[Checked] = []
    for engine, log in logs.items():
        lines = [line for line in found if line.engine == engine]
        subject, named = _subject(lines, log, model, settings or {})
        subject = replace(subject, stored=stored)
        version = str(subject.settings.get("release") or engines.find(engine).version)
        source = GIVEN if "release" in (settings or {}) else ASSUMED
        unknown = _no_preset(named) if named else NO_MODEL
        source = LOGGED if source == ASSUMED and "release" in subject.settings else source
        rows += [
            replace(
                row,
                engine=engine,
                engine_version=version,
                version_source=source,
                why=unknown if row.why == NO_MODEL else row.why,
            )
            for row in log.check(lines, subject)
        ]
    return sorted(rows, key=lambda row: row.line)


def _subject(
    lines: Sequence[Found], log: EngineLog, model: Model | None, given: Mapping[str, Any]
) -> tuple[Subject, str | None]:
    """Gather what is known about a run, and the model's name in the log.

    A model that the log names is used if it is a preset; nothing is fetched.
    """
    names: list[str] = []
    configured = re.compile(
        rf"\b({'|'.join(log.configured)})['\"]?[=:] ?(?:{ENUMERATED})?"
        r"['\"]?([A-Za-z0-9_.:-]{1,60})"
    )
    settings: dict[str, Any] = {}
    for line in lines:
        config = line.values.get("config", "")
        logged = configured.findall(config)
        if log.values.get("release") and "version" in line.values:
            logged.append(("release", line.values["version"]))
        settings |= {**_spelled(_own(logged, log), log), **log.said.get(line.kind, {})}
        named = MODEL_NAMED.search(config)
        names += [named[1]] if named else []
        if "named" in line.values:
            names.append("-".join(line.values["named"].split()))
    model = model or next(filter(None, map(_preset, dict.fromkeys(names))), None)
    own = _spelled(given, log)
    settings |= own
    context, sequences = (settings.pop(name, None) for name in AMOUNTS)
    subject = Subject(model, settings, context, sequences, given=frozenset(own))
    return subject, next(iter(names), None)


def _no_preset(name: str) -> str:
    """Say that the model is missing, although the log names it."""
    return f"the model is missing: the log names {quote(name)}, which is not a preset: give --model"


def _own(logged: Iterable[tuple[str, str]], log: EngineLog) -> dict[str, Any]:
    """The settings that a line says, as the engine takes them."""
    own = {}
    for name, text in logged:
        value = log.values[name](text) if name in log.values else None if text == "None" else text
        if value is not None:
            own[name] = value
    return own


def _spelled(given: Mapping[str, Any], log: EngineLog) -> dict[str, Any]:
    """The settings under the engine's own names, with amounts as numbers."""
    own: dict[str, Any] = {}
    for name, value in given.items():
        spelled = log.spellings.get(name, name)
        own[spelled] = parse_tokens(str(value), name) if spelled in AMOUNTS else value
    return own


def _require_known(given: Mapping[str, Any], logs: Mapping[str, EngineLog]) -> None:
    """Refuse a setting that none of the log's engines has.

    Raises:
        RequestError: there is such a setting; the sentence lists the known ones.
    """
    known = {*AMOUNTS}
    for engine, log in logs.items():
        known |= {*log.spellings, *log.beside, *engines.find(engine).settings.model_fields}
    for name in given:
        if name not in known:
            why = f"--set: {' or '.join(logs)} has no {quote(name)}"
            raise not_among(sorted(known), name, why, "known:", field=name)


def _preset(name: str) -> Model | None:
    try:
        path = find(name)
        return read_preset(path).model if path else None
    except KvcalcError:
        return None
