"""A fit with the parts that a start-up log of the same server prints."""

from dataclasses import replace
from pathlib import Path

from kvcalc.answers.fit.question import Question
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.files import opened
from kvcalc.readers.log import read_log

SPREAD = ("tensor_parallel_size", "pipeline_parallel_size")
"""Settings on which each part depends, so that a log's hold for the same values alone."""


def with_log(question: Question, path: Path) -> Question:
    """Take weights and parts from a start-up log; contexts and sequences may be others.

    Raises:
        SourceError: the log cannot be read.
        RequestError: a figure is missing, or other ranks or stages are asked about.
        UnsupportedError: the engine prints no such figures that kvcalc reads.
    """
    memory = question.memory
    if memory.from_log is None:
        raise UnsupportedError.of("--log", f"{question.engine.name} prints no parts that are read")
    how = memory.from_log()
    with opened(path) as stream:
        lines = [match.values for match in read_log(stream, str(path), how.patterns)]
    standing = question.engine.settings(**question.settings).standing
    taken = memory.taken(question.share, question.card, question.settings, standing, question.model)
    found = how.measured(lines, memory.budget(question.card, 0, 0, taken).cache)
    spread = dict(zip(SPREAD, (found.ranks, found.stages), strict=True))
    for name, logged in spread.items():
        asked = question.settings.get(name)
        if None not in (asked, logged) and int(str(asked)) != logged:
            raise RequestError.of(
                name, asked, f"{logged} as in the log, whose parts are not those of other numbers"
            )
    own = {name: logged for name, logged in spread.items() if logged is not None}
    return replace(question.with_settings(**own), measured=found)
