"""The columns of a plan: those that ask, those of the answers, and where each stands."""

from collections.abc import Collection, Mapping, Sequence

from kvcalc.errors import RequestError, quote
from kvcalc.readers.table import Table
from kvcalc.spelling import alike, unknown

QUESTIONS = (
    "model",
    "engine",
    "context",
    "sequences",
    "window",
    "kv_cache_dtype",
    "tensor_parallel_size",
    "release",
)
"""The columns that a plan may have, by their default names."""

AMOUNTS = ("context", "sequences", "window")
"""The columns that are variables of a formula."""

STRUCTURE = tuple(name for name in QUESTIONS if name not in AMOUNTS)
"""The columns that choose the formula."""

ANSWERS = ("bytes", "bytes_per_gpu", "error")
"""The columns of answers: bytes over all ranks, bytes on the fullest rank, or the error."""

ADDED = ("gib", "fits", "gpus")
"""The columns of answers on request: bytes in GiB, whether it fits on GPUs, and on how many."""

RELEASE = "engine_version"
"""The column of answers for a plan that names engines: the release that the bytes hold for."""


def places(
    header: Sequence[str], named: Mapping[str, str], added: Sequence[str] = ()
) -> dict[str, int]:
    """Find the column of each question, by its default name or by the one that is given.

    Raises:
        RequestError: the column of the model, of the context or one that was named is missing; a
            question has two columns; or a column of an answer is there already.
    """
    columns = ", ".join(quote(name) for name in header[:50])
    for question in named:
        if question not in QUESTIONS:
            raise unknown("--column: the question", question, QUESTIONS, field="--column")
    found = {}
    for question in QUESTIONS:
        name = named.get(question, question)
        column = f"column {quote(name)}"
        exact = [place for place, cell in enumerate(header) if cell == name]
        there = exact or [place for place, cell in enumerate(header) if alike(cell, name)]
        if len(there) > 1:
            raise RequestError.about(
                name, f"found {len(there)}", named=column, found=len(there), expected="one"
            )
        if there:
            found[question] = there[0]
        elif question in named or question in ("model", "context"):
            missing = f"{column}: missing; the columns are {columns}"
            raise RequestError(missing, field=name, expected=f"one of {columns}")
    for answer in (*answers_to(found), *added):
        if answer in header:
            column = f"column {quote(answer)}"
            raise RequestError.about(
                answer, "found already", named=column, found=answer, expected="to be added"
            )
    return found


def unanswered(table: Table) -> Table:
    """Leave out the answers of an earlier run, if the plan is its output: from bytes to the right.

    A column of that name alone is the plan's own.
    """
    header = table.header
    if not all(name in header for name in ANSWERS):
        return table
    own = {
        place
        for place, name in enumerate(header)
        if name in (*ANSWERS, RELEASE, *ADDED) and place >= header.index(ANSWERS[0])
    }

    def rest(cells: list[str]) -> list[str]:
        if len(cells) != len(header):
            return cells
        return [cell for place, cell in enumerate(cells) if place not in own]

    rows = ((number, rest(cells)) for number, cells in table.rows)
    return table._replace(header=rest(header), rows=rows)


def answers_to(columns: Collection[str]) -> tuple[str, ...]:
    """The columns of answers for a plan with these questions."""
    return (*ANSWERS, RELEASE) if "engine" in columns else ANSWERS
