"""The values of *Plan*'s answers about GPUs when the workbook is written, by the same rules."""

from typing import NamedTuple

from kvcalc.answers.fit.card import card
from kvcalc.answers.workbook import Workbook, capacity
from kvcalc.answers.workbook.start import Start
from kvcalc.engines.memory import FREE, Card
from kvcalc.formula.expression import Expression, evaluated
from kvcalc.outputs.workbook.cells import Sheet
from kvcalc.outputs.workbook.plan_answers import as_written

MISSING = "weights_bytes, memory_share or gpu: missing"
NO_GPUS = "gpus: missing"
SEE_TOTAL = "see total_bytes"
ASK_FIT = "kvcalc fit answers it for this engine"
TOO_FEW = "does not fit on so few ranks"


class Way(NamedTuple):
    """What is left of a GPU, likely or promised: its memory, what a start takes, and the rest."""

    memory: int
    start: int | str
    shared: int | str
    budget: int | str
    usable: int | str
    per_copy: int | str


class Expected(NamedTuple):
    """The values of the answers when the workbook is written."""

    row: int | str
    weights: int | str
    likely: Way
    promised: Way


def expected(book: Workbook, formulas: Sheet, row: int | str) -> Expected:
    """Work out the values of the answers; `row` is that of the chosen start, or why it has none."""
    one, on = book.chosen, card(str(book.inputs["gpu"]))
    if not isinstance(as_written(book, formulas, "bytes"), int):
        row = SEE_TOTAL
    found = book.starts.chosen(one)
    loaded = capacity.weights_per_gpu(one, found)
    weights = "missing" if loaded is None else loaded
    parts = found.at_first if isinstance(found, Start) else ()
    declined = found.declined if isinstance(found, Start) else ""
    why = row if isinstance(row, str) else declined
    least = on._replace(memory=on.least_memory or on.memory)
    likely, promised = (
        _way(book, formulas, on, weights, why or start)
        for on, start in (
            (on, sum(part.bytes for part in parts)),
            (least, sum(part.high for part in parts)),
        )
    )
    return Expected(row, weights, likely, promised)


def _way(book: Workbook, formulas: Sheet, on: Card, weights: int | str, start: int | str) -> Way:
    one = book.chosen
    if isinstance(start, str):
        return Way(on.memory, start, start, start, start, _or_see_total(book, formulas, start))
    if isinstance(weights, str):
        return Way(
            on.memory, start, weights, MISSING, MISSING, _or_see_total(book, formulas, MISSING)
        )
    shared = on.memory - (weights + start if capacity.memory_rule(one.engine).of == FREE else 0)
    budget = capacity.budget(one, on, weights, start)
    if budget is None:
        return Way(
            on.memory, start, shared, MISSING, MISSING, _or_see_total(book, formulas, MISSING)
        )
    block = as_written(book, formulas, "block_bytes_per_gpu")
    usable: int | str = ASK_FIT
    if isinstance(block, int) or not capacity.memory_rule(one.engine).held_back_blocks:
        usable = capacity.usable(one, budget, int(block or 1))
    return Way(on.memory, start, shared, budget, usable, _per_copy(book, formulas, usable))


def _or_see_total(book: Workbook, formulas: Sheet, why: str) -> str:
    return why if isinstance(as_written(book, formulas, "bytes"), int) else SEE_TOTAL


def _per_copy(book: Workbook, formulas: Sheet, handed_out: int | str) -> int | str:
    """How many sequences fit into the bytes."""
    total, first, second, most = (
        as_written(book, formulas, name)
        for name in ("bytes", "one_sequence_per_gpu", "two_sequences_per_gpu", "most_sequences")
    )
    if isinstance(total, str):
        return SEE_TOTAL
    if isinstance(handed_out, str) or isinstance(first, str) or isinstance(second, str):
        return ASK_FIT
    one = book.chosen
    found = book.starts.chosen(one)
    limits = [most] if isinstance(most, int) else []
    if isinstance(found, Start) and isinstance(found.at_once, int | Expression):
        limits.append(evaluated(found.at_once, found.own))
    return capacity.sequences(handed_out, first, second, min(limits, default=None))


def needed(book: Workbook, per_copy: int | str) -> int | str:
    """How many GPUs hold the sequences."""
    if isinstance(per_copy, str):
        return per_copy
    if per_copy < 1:
        return TOO_FEW
    return capacity.gpus(book.chosen, int(book.inputs["sequences"]), per_copy)


def at_most(book: Workbook, per_copy: int | str) -> int | str:
    """How many sequences all GPUs hold, on as many copies as they make."""
    if isinstance(per_copy, str):
        return per_copy
    return int(book.inputs["gpus"]) // book.chosen.tensor_parallel_size * per_copy


def fits(book: Workbook, most: int | str) -> str:
    """Whether the sequences fit."""
    if isinstance(most, str):
        return ""
    return "fits" if int(book.inputs["sequences"]) <= most else "does not fit"
