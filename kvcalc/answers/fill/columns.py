"""The columns of a plan: those that ask, those of the answers, and where each stands."""

from collections.abc import Collection, Mapping, Sequence

from kvcalc.errors import RequestError, quote
from kvcalc.readers.table import Table
from kvcalc.spelling import alike, nearest, spelled, unknown

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

ALSO = {
    "batch": "sequences",
    "batch_size": "sequences",
    "concurrency": "sequences",
    "n": "sequences",
    "num_seqs": "sequences",
    "sliding_window": "window",
    "cache_type": "kv_cache_dtype",
    "dtype": "kv_cache_dtype",
    "kv_dtype": "kv_cache_dtype",
    "tp": "tensor_parallel_size",
    "tp_size": "tensor_parallel_size",
}
"""What a column of another name may well ask."""

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


def meant(header: Sequence[str], read: Mapping[str, int]) -> dict[str, str]:
    """Name the columns that are not read, though named nearly like a question that none asks.

    Such a name is only said, not read: a planner's own column may mean something else.
    """
    still = [question for question in QUESTIONS if question not in read]
    others = {name: question for name, question in ALSO.items() if question in still}
    found = {
        cell: spelled(cell, still, others) or _slip(cell, still)
        for place, cell in enumerate(header)
        if place not in read.values()
    }
    return {cell: question for cell, question in found.items() if question}


def _slip(cell: str, questions: Sequence[str]) -> str | None:
    """The question that a cell all but spells, from its first letter: a region is no engine."""
    first = cell[:1].lower()
    return next((one for one in nearest(cell, questions) if one.startswith(first)), None)


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
