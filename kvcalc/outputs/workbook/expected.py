"""What *Plan*'s answers about GPUs are as written, by the same rules as its formulas."""

from fractions import Fraction
from typing import NamedTuple

from kvcalc.answers.fit.budget import Card, budget
from kvcalc.answers.workbook import Workbook
from kvcalc.catalogue import gpus
from kvcalc.outputs.workbook import engines
from kvcalc.outputs.workbook.cells import Sheet
from kvcalc.outputs.workbook.gpus import usable
from kvcalc.outputs.workbook.inputs import USUAL_GPU
from kvcalc.outputs.workbook.models import element_bytes
from kvcalc.outputs.workbook.plan_answers import as_written

MISSING = "weights_bytes, memory_share or gpu: missing"
SEE_TOTAL = "see total_bytes"
ASK_FIT = "kvcalc fit answers it for this engine"
TOO_FEW = "does not fit on so few ranks"


class Expected(NamedTuple):
    """What the answers are as written."""

    memory: int
    weights: int | str
    cache: int | str
    handed_out: int | str
    per_copy: int | str


def expected(book: Workbook, formulas: Sheet) -> Expected:
    """Work out what the answers are as written."""
    one = book.chosen
    gpu = gpus.find(USUAL_GPU)
    weights = _weights(book)
    share, _, blocks = engines.memory_rule(one.engine)
    if weights is None or isinstance(share, str):
        why = MISSING if _is_number(book, formulas, "bytes") else SEE_TOTAL
        known = "missing" if weights is None else weights
        return Expected(usable(gpu), known, MISSING, MISSING, why)
    card, taken = Card(gpu.name, usable(gpu), gpu.memory_bytes), Fraction(str(share))
    cache = budget(one.engine, card, weights, 0, taken).cache
    handed_out: int | str = max(0, cache)
    if blocks:
        size = as_written(book, formulas, "block_bytes_per_gpu")
        whole = isinstance(size, int)
        handed_out = max(0, cache // int(size) - blocks) * int(size) if whole else ASK_FIT
    per_copy = _most(book, formulas, handed_out)
    return Expected(usable(gpu), weights, cache, handed_out, per_copy)


def _most(book: Workbook, formulas: Sheet, handed_out: int | str) -> int | str:
    """How many sequences so many bytes hold."""
    if not _is_number(book, formulas, "bytes"):
        return SEE_TOTAL
    first, second, most = (
        as_written(book, formulas, name)
        for name in ("one_sequence_per_gpu", "two_sequences_per_gpu", "most_sequences")
    )
    if isinstance(handed_out, str) or isinstance(first, str) or isinstance(second, str):
        return ASK_FIT
    many = 0 if handed_out < first else 1 + (handed_out - first) // max(1, second - first)
    return min(most, many) if isinstance(most, int) else many


def _is_number(book: Workbook, formulas: Sheet, name: str) -> bool:
    return isinstance(as_written(book, formulas, name), int)


def _weights(book: Workbook) -> int | None:
    one = book.chosen
    if one.listed.model.parameters is None:
        return None
    whole = int(one.listed.model.parameters * element_bytes(one.listed))
    return -(-whole // one.tensor_parallel_size)


def shared(book: Workbook, own: Expected) -> int | str:
    """The memory that is shared out: all of a card's, or what is free of the weights."""
    if isinstance(own.weights, str):
        return "missing"
    free = engines.memory_rule(book.chosen.engine)[1] == "free"
    return own.memory - own.weights if free else own.memory


def needed(book: Workbook, per_copy: int | str) -> int | str:
    """How many cards hold the sequences."""
    if isinstance(per_copy, str):
        return per_copy
    if per_copy < 1:
        return TOO_FEW
    copies = -(-int(book.inputs["sequences"]) // per_copy)
    return copies * book.chosen.tensor_parallel_size


def fits(book: Workbook, most: int | str) -> str:
    """Whether the sequences fit."""
    if isinstance(most, str):
        return ""
    return "fits" if int(book.inputs["sequences"]) <= most else "does not fit"
