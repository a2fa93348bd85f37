"""One row of a plan: the question that its cells ask, and the answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kvcalc.answers.fill.columns import AMOUNTS, STRUCTURE
from kvcalc.costs import Cost
from kvcalc.engines import find, request
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.model import Model
from kvcalc.readers import load
from kvcalc.units import parse_tokens

MAX_COSTS = 10_000
"""The most formulas remembered at once; when there are more, all are forgotten and made anew."""


class Filled(NamedTuple):
    """A row's answer: its cost and the amounts it was evaluated for, or why it has none.

    `structure` are the row's cells of `STRUCTURE`; `added` are those of columns asked for beside.
    """

    bytes: int | None = None
    bytes_per_gpu: int | None = None
    error: KvcalcError | None = None
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


def filler(
    width: int, columns: Mapping[str, int], gpu: str | None = None
) -> Callable[[Sequence[str]], Filled]:
    """Make the function that answers a row of `width` cells, on a GPU where one is named.

    An empty cell means the default: the engine ideal, the newest release measured, one sequence,
    the model's own window and element type, one rank.
    """
    costs: dict[tuple[str, ...], Cost | KvcalcError] = {}
    structure = [columns.get(name, width) for name in STRUCTURE]
    amounts = [(name, columns[name]) for name in AMOUNTS if name in columns]

    def answer(row: Sequence[str]) -> Filled:
        if len(row) != width:
            found = len(row)
            cut = RequestError.about(
                "cells", f"found {found} cells", named="", found=found, expected=str(width)
            )
            return Filled(error=cut)
        cells = [*row, ""]
        asked = tuple([cells[place] for place in structure])
        cost = costs.get(asked)
        if cost is None:
            if len(costs) >= MAX_COSTS:
                costs.clear()
            cost = costs[asked] = _cost(asked, gpu)
        if isinstance(cost, KvcalcError):
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
            return Filled(total, cost.per_gpu(**given), None, cost, given, asked)
        except KvcalcError as error:
            return Filled(error=error)

    return answer


def _amount(cell: str, name: str) -> int:
    _refuse_formula(name, cell)
    return parse_tokens(_whole(cell), name)


def _whole(cell: str) -> str:
    """A whole number as spreadsheets and decimals of a table write it: 8192.0, 8192.00."""
    whole, _, part = cell.partition(".")
    return cell if part.strip("0") or not part else whole


def _cost(asked: tuple[str, ...], gpu: str | None) -> Cost | KvcalcError:
    try:
        for name, cell in zip(STRUCTURE, asked, strict=True):
            _refuse_formula(name, cell)
        return _of(load(_required(asked[0])), asked, gpu)
    except KvcalcError as error:
        return error.with_traceback(None)  # thousands are kept, and a traceback keeps its frames


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
