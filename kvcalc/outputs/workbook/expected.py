"""The values of *Plan*'s answers about GPUs when the workbook is written, by the same rules."""

from typing import NamedTuple

from kvcalc.answers.fit.card import card
from kvcalc.answers.workbook import Workbook, capacity
from kvcalc.engines.memory import FREE
from kvcalc.outputs.workbook.cells import Sheet
from kvcalc.outputs.workbook.plan_answers import as_written

MISSING = "weights_bytes, memory_share or gpu: missing"
NO_GPUS = "gpus: missing"
SEE_TOTAL = "see total_bytes"
ASK_FIT = "kvcalc fit answers it for this engine"
TOO_FEW = "does not fit on so few ranks"


class Expected(NamedTuple):
    """The values of the answers when the workbook is written."""

    memory: int
    weights: int | str
    cache: int | str
    handed_out: int | str
    per_copy: int | str


def expected(book: Workbook, formulas: Sheet) -> Expected:
    """Work out the values of the answers."""
    one, on = book.chosen, card(str(book.inputs["gpu"]))
    weights, cache = capacity.weights_per_gpu(one), capacity.budget(one, on)
    known = "missing" if weights is None else weights
    if cache is None:
        why = MISSING if isinstance(as_written(book, formulas, "bytes"), int) else SEE_TOTAL
        return Expected(on.memory, known, MISSING, MISSING, why)
    block = as_written(book, formulas, "block_bytes_per_gpu")
    handed_out: int | str = ASK_FIT
    if isinstance(block, int) or not capacity.memory_rule(one.engine).held_back_blocks:
        handed_out = capacity.usable(one, cache, int(block or 1))
    return Expected(on.memory, known, cache, handed_out, _per_copy(book, formulas, handed_out))


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
    return capacity.sequences(handed_out, first, second, most if isinstance(most, int) else None)


def shared(book: Workbook, own: Expected) -> int | str:
    """The memory that is shared out: all of a GPU's, or what the weights leave free."""
    if isinstance(own.weights, str):
        return "missing"
    free = capacity.memory_rule(book.chosen.engine).of == FREE
    return own.memory - own.weights if free else own.memory


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
