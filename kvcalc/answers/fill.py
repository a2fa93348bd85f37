"""A plan's rows, each a question by its own columns, with the answers beside them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from kvcalc.costs import Cost
from kvcalc.engines import find, request
from kvcalc.errors import KvcalcError, RequestError, quote
from kvcalc.model import Model
from kvcalc.readers import load
from kvcalc.readers.table import Table
from kvcalc.spelling import alike, unknown
from kvcalc.units import parse_tokens

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

MAX_COSTS = 10_000
"""The most formulas remembered at once; when there are more, all are forgotten and made anew."""


class Filled(NamedTuple):
    """A row's answer: its cost and the amounts it was evaluated for, or why it has none.

    `structure` are the row's cells of `STRUCTURE`; `added` are those of columns asked for beside.
    """

    bytes: int | None = None
    bytes_per_gpu: int | None = None
    error: str = ""
    cost: Cost | None = None
    given: Mapping[str, int] = {}
    structure: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the row names, and its engine."""
        _, engine, *settings = self.structure
        return {"engine": engine or "ideal", **_settings(*settings)}

    @property
    def engine_version(self) -> str:
        """The engine's release that the answer holds for; "" without an answer."""
        return "" if self.cost is None else self.cost.engine_version


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


def filler(
    width: int, columns: Mapping[str, int], gpu: str | None = None
) -> Callable[[Sequence[str]], Filled]:
    """Make the function that answers a row of `width` cells, on a GPU where one is named.

    An empty cell means the default: the engine ideal, the newest release measured, one sequence,
    the model's own window and element type, one rank.
    """
    costs: dict[tuple[str, ...], Cost | str] = {}
    structure = [columns.get(name, width) for name in STRUCTURE]
    amounts = [(name, columns[name]) for name in AMOUNTS if name in columns]

    def answer(row: Sequence[str]) -> Filled:
        if len(row) != width:
            return Filled(error=f"found {len(row)} cells, expected {width}")
        cells = [*row, ""]
        asked = tuple([cells[place] for place in structure])
        cost = costs.get(asked)
        if cost is None:
            if len(costs) >= MAX_COSTS:
                costs.clear()
            cost = costs[asked] = _cost(asked, gpu)
        if isinstance(cost, str):
            return Filled(error=cost)
        try:
            given = {
                name: int(cell) if cell.isdecimal() and len(cell) < 19 else _amount(cell, name)
                for name, place in amounts
                if (cell := cells[place]) or name == "context"
            }
            if "window" in given and cost.model.window is None:
                cost = _with_window(cost, asked, gpu, given.pop("window"))
            total = cost.formula(**given)
            return Filled(total, cost.per_gpu(**given), "", cost, given, asked)
        except KvcalcError as error:
            return Filled(error=str(error))

    return answer


def _amount(cell: str, name: str) -> int:
    _refuse_formula(name, cell)
    return parse_tokens(_whole(cell), name)


def _whole(cell: str) -> str:
    """A whole number as spreadsheets and decimals of a table write it: 8192.0, 8192.00."""
    whole, _, part = cell.partition(".")
    return cell if part.strip("0") or not part else whole


def _cost(asked: tuple[str, ...], gpu: str | None) -> Cost | str:
    try:
        for name, cell in zip(STRUCTURE, asked, strict=True):
            _refuse_formula(name, cell)
        return _of(load(_required(asked[0])), asked, gpu)
    except KvcalcError as error:
        return str(error)


def _of(model: Model, asked: tuple[str, ...], gpu: str | None) -> Cost:
    _, engine, *settings = asked
    engine = engine or "ideal"
    on: dict[str, Any] = {"gpu": gpu} if gpu and "gpu" in find(engine).settings.model_fields else {}
    return request.cost(model, engine, **_settings(*settings), **on)


def _refuse_formula(name: str, cell: str) -> None:
    """Refuse what a spreadsheet would calculate; a workbook's formula is its last value, if any."""
    if cell.startswith("="):
        raise RequestError.of(
            name, cell, "a value; this formula has none: save the plan in a spreadsheet program"
        )


def _required(model: str) -> str:
    if not model:
        raise RequestError.about("model", "missing")
    return model


def _settings(dtype: str, ranks: str, release: str) -> dict[str, Any]:
    named = {
        "kv_cache_dtype": dtype,
        "tensor_parallel_size": _whole(ranks),
        "release": release,
    }
    return {name: cell for name, cell in named.items() if cell}


def _with_window(cost: Cost, asked: tuple[str, ...], gpu: str | None, window: int) -> Cost:
    """Give one window to a model with several, whose formula has no variable for them."""
    return _of(cost.model.with_window(window), asked, gpu)
