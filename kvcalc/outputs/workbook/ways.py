"""What is left of a GPU for the cache, likely and promised, as formulas.

The rules are those of `kvcalc fit`, as *Engines* lists them: a share of all memory, less weights
and what a start takes, or a share of what is free of both. If memory is cut into blocks, only whole
blocks count, less those that the engine holds back.
"""

from typing import NamedTuple

from kvcalc.answers.workbook import Workbook
from kvcalc.outputs.workbook.expected import ASK_FIT, MISSING, SEE_TOTAL, Way
from kvcalc.outputs.workbook.lookups import of_engine, of_row, there
from kvcalc.outputs.workbook.plan_answers import Answer
from kvcalc.outputs.workbook.starts import DECLINED, Starts

TEN_THOUSANDTHS = "ROUND(memory_share*10000,0)"
SHARED = (
    "INT({of}/10000)*"
    + TEN_THOUSANDTHS
    + "+INT((MOD({of},10000)*"
    + TEN_THOUSANDTHS
    + "{rest})/10000)"
)
"""It divides before it multiplies, so that all stays exact."""


class Names(NamedTuple):
    """The cells of one way to look at what is left of a GPU: likely, or sure to be."""

    memory: str
    start: str
    shared: str
    budget: str
    usable: str
    per_copy: str


LIKELY = Names(
    "gpu_memory",
    "start_bytes",
    "likely_shared_memory",
    "likely_budget",
    "likely_usable",
    "likely_per_copy",
)
PROMISED = Names(
    "least_memory",
    "start_most",
    "shared_memory",
    "cache_budget",
    "cache_usable",
    "sequences_per_copy",
)


def left(book: Workbook, names: Names, own: Way, how: str) -> tuple[Answer, ...]:
    """What is left of a GPU for the cache, and of that for requests."""
    free = f'{of_engine(book, "share_of")}="free"'
    loaded = f"weights_per_gpu-{names.start}"
    taken = _share_of(book, names.shared)
    return (
        Answer(
            names.shared,
            f"=IF(ISNUMBER({names.start}),IF({there(names.memory, 'weights_per_gpu')},IF({free},"
            f'{names.memory}-{loaded},{names.memory}),"missing"),{names.start})',
            own.shared,
            f"what memory_share is of, {how}",
        ),
        Answer(
            names.budget,
            f"=IF(ISNUMBER({names.start}),IF({there(names.shared, 'memory_share')},IF({free},"
            f"IF({names.shared}>0,{taken},{names.shared}),{taken}-{loaded}),"
            f'"{MISSING}"),{names.start})',
            own.budget,
            f"bytes of a card for the cache, {how}; below 0 the weights do not fit",
            "The engine's share of a card's memory, less weights and what its start takes.",
        ),
        Answer(
            names.usable,
            _handed_out(book, names.budget),
            own.usable,
            f"whole blocks, less those that the engine holds back, {how}",
        ),
    )


def taken(starts: Starts, column: str, name: str, own: int | str, note: str) -> Answer:
    """What a start takes beside the weights: as given, its parts together, or why none is known."""
    parts = f"SUMIF({starts.column('beside')},start_row,{starts.column(column)})"
    known = f'IF({starts.first("kind", 1)}="{DECLINED}",{starts.first("source", 1)},{parts})'
    return Answer(
        name,
        f"=IF(ISNUMBER(start_row),IF(ISNUMBER(reserve_bytes),reserve_bytes,{known}),start_row)",
        own,
        f"{note}: the sum of the parts, or reserve_bytes",
    )


def _share_of(book: Workbook, memory: str) -> str:
    """The engine's share of a memory, rounded as the engine does."""
    up, down = (SHARED.format(of=memory, rest=rest) for rest in ("+9999", ""))
    return f'IF({of_engine(book, "share_of")}="all, rounded up",{up},{down})'


def _handed_out(book: Workbook, budget: str) -> str:
    block, held = of_row(book, "block_bytes_per_gpu"), of_engine(book, "held_back_blocks")
    whole = f"MAX(0,INT({budget}/{block})-{held})*{block}"
    return (
        f"=IF(ISNUMBER({budget}),IF({held}=0,MAX(0,{budget}),IF(formulas_row=0,0,"
        f'IF(ISNUMBER({block}),{whole},"{ASK_FIT}"))),{budget})'
    )


def per_copy(book: Workbook, starts: Starts, names: Names) -> str:
    """How many sequences one copy of the model holds, and the engine runs at once."""
    one, two = (
        of_row(book, f"{count}_sequence{'s' * (count == 'two')}_per_gpu")
        for count in ("one", "two")
    )
    most, at_once = of_row(book, "most_sequences"), starts.first("at_once")
    many = f"1+INT(({names.usable}-{one})/MAX(1,{two}-{one}))"
    fitting = f"IF({names.usable}<{one},0,{many})"
    limited = f"IF(ISNUMBER({most}),MIN({most},{fitting}),{fitting})"
    unlimited = f'IF({at_once}="",{limited},{at_once})'
    running = f"IF(ISNUMBER({at_once}),MIN({at_once},{limited}),{unlimited})"
    known = f'IF(ISNUMBER({one}),{running},"{ASK_FIT}")'
    return (
        f"=IF(ISNUMBER(total_bytes),IF(ISNUMBER({names.usable}),{known},{names.usable}),"
        f'"{SEE_TOTAL}")'
    )
