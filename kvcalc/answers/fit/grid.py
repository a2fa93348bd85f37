"""Several questions of a fit in turn: one that is refused is a row that says why."""

from collections.abc import Iterable
from typing import NamedTuple

from kvcalc.answers.fit import Answer, solve
from kvcalc.answers.fit.placing import Placing
from kvcalc.errors import KvcalcError
from kvcalc.records import Record


class Place(NamedTuple):
    """A model on a kind of GPU: its name on a command line, and the placing or why there is none.

    `engine_version` is the release that is asked for.
    """

    source: str | None
    model: str
    engine: str
    engine_version: str
    gpu: str
    placing: Placing | KvcalcError


class Job(NamedTuple):
    """One question of a grid; what is None is solved for."""

    place: Place
    gpus: int | None
    context: int | None
    sequences: int | None


class RefusedFit(Record):
    """A question that cannot be answered, and the sentence why; amounts are as asked."""

    model: str
    engine: str
    engine_version: str
    gpu: str
    gpus: int | None
    context: int | None
    sequences: int | None
    error: str


def solved(job: Job) -> Answer:
    """Answer one question.

    Raises:
        KvcalcError: it is refused.
    """
    placing = job.place.placing
    if isinstance(placing, KvcalcError):
        raise placing
    return solve(
        placing,
        gpus=job.gpus,
        context=job.context,
        sequences=job.sequences,
        source=job.place.source,
    )


def answered(jobs: Iterable[Job]) -> list[Answer | RefusedFit]:
    """Answer each question, or say why it is refused.

    Raises:
        KvcalcError: all are refused; it is the first refusal.
    """
    found: list[Answer | RefusedFit] = []
    refusals: list[KvcalcError] = []
    for job in jobs:
        try:
            found.append(solved(job))
        except KvcalcError as error:
            refusals.append(error)
            found.append(_refused(job, error))
    if refusals and len(refusals) == len(found):
        raise refusals[0]
    return found


def _refused(job: Job, error: KvcalcError) -> RefusedFit:
    place = job.place
    return RefusedFit(
        model=place.model,
        engine=place.engine,
        engine_version=place.engine_version,
        gpu=place.gpu,
        gpus=job.gpus,
        context=job.context,
        sequences=job.sequences,
        error=str(error),
    )
