"""*Plan*'s answers about GPUs: the memory left to the cache, and how many sequences it holds.

The rules are those of `kvcalc fit`, as *Engines* lists them: a share of all memory, less weights
and reserve, or a share of what is free of both. If memory is cut into blocks, only whole blocks
count, less those that the engine holds back.
"""

from typing import NamedTuple

from kvcalc.answers.fit.price import HOURS_A_MONTH
from kvcalc.answers.workbook import Workbook
from kvcalc.answers.workbook.starts import NO_CAPABILITY, kinds
from kvcalc.catalogue import gpus
from kvcalc.outputs.workbook.cells import divided_up, letters, match
from kvcalc.outputs.workbook.expected import (
    ASK_FIT,
    MISSING,
    NO_GPUS,
    SEE_TOTAL,
    TOO_FEW,
    Expected,
    Way,
    at_most,
    fits,
    needed,
)
from kvcalc.outputs.workbook.layout import ENGINES, FIRST_ROW, FORMULAS, GPUS, MODELS, column_of
from kvcalc.outputs.workbook.plan_answers import Answer
from kvcalc.outputs.workbook.starts import DECLINED, Starts

NO_KIND = "gpu: Start has no such compute_capability"
PROMISE = "on tensor_parallel_size: a promise"

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


def of_plan(book: Workbook, starts: Starts, own: Expected) -> tuple[Answer, ...]:
    """The answers about GPUs, in the order in which they depend on each other."""
    likely, promised = own.likely, own.promised
    needs, most = needed(book, promised.per_copy), at_most(book, promised.per_copy)
    even = divided_up("weights_bytes", "tensor_parallel_size")
    models = column_of("Models", MODELS, "model", len(book.models))
    all_weights = column_of("Models", MODELS, "weights_bytes", len(book.models))
    held = f"INDEX({all_weights},{match('model', models)})"
    loaded = starts.first("bytes")
    return (
        Answer(
            "gpu_memory",
            f'=IFERROR({_of_gpu("usable_bytes")},"gpu: not in GPUs")',
            likely.memory,
            "bytes of a card: what a framework sees, else its driver",
        ),
        Answer(
            "least_memory",
            f"=IF(ISNUMBER(gpu_memory),IF(ISNUMBER({_of_gpu('least_bytes')}),"
            f"{_of_gpu('least_bytes')},gpu_memory),gpu_memory)",
            promised.memory,
            "the least that one was seen to have, of which a promise is",
        ),
        Answer(
            "start_row",
            _start_row(book),
            own.row,
            "of Start, by the GPU or its compute capability",
            style="text",
        ),
        Answer(
            "weights_per_gpu",
            f"=IF(ISNUMBER(weights_bytes),IF(weights_bytes<>{held},{even},IF(ISNUMBER(start_row),"
            f'IF(ISNUMBER({loaded}),{loaded},{even}),{even})),"missing")',
            own.weights,
            "as the engine loads them (Start); typed ones are divided over the ranks",
        ),
        _taken(starts, "bytes", LIKELY.start, likely.start, "likely beside the weights"),
        _taken(starts, "high", PROMISED.start, promised.start, "at most beside the weights"),
        *_left(book, PROMISED, promised, "sure to be there"),
        *_left(book, LIKELY, likely, "likely"),
        Answer("sequences_per_copy", _per_copy(book, starts, PROMISED), promised.per_copy, PROMISE),
        Answer(
            "max_sequences",
            _on_all("sequences_per_copy"),
            most,
            "on all gpus, at Plan's context: a promise",
            "Copies of the model, times what one of them holds.",
        ),
        Answer("likely_per_copy", _per_copy(book, starts, LIKELY), likely.per_copy, "likely"),
        Answer(
            "likely_sequences",
            _on_all("likely_per_copy"),
            at_most(book, likely.per_copy),
            "on all gpus, likely",
        ),
        Answer(
            "gpus_needed",
            "=IF(ISNUMBER(sequences_per_copy),IF(sequences_per_copy<1,"
            f'"{TOO_FEW}",'
            f"{divided_up('sequences', 'sequences_per_copy')}*tensor_parallel_size+spare_gpus),"
            "sequences_per_copy)",
            needs,
            "for Plan's sequences, spare ones counted",
            "The copies that hold that many sequences, times their ranks, and the spare ones.",
        ),
        Answer(
            "cost_month",
            f"=IF(ISNUMBER(gpus_needed),IF(price_hour>0,gpus_needed*price_hour*{HOURS_A_MONTH},"
            '"give price_hour"),"")',
            "give price_hour" if isinstance(needs, int) else "",
            f"in price_hour's currency, {HOURS_A_MONTH} hours",
            f"gpus_needed * price_hour * {HOURS_A_MONTH}",
        ),
        Answer(
            "fits",
            '=IF(ISNUMBER(max_sequences),IF(sequences<=max_sequences,"fits","does not fit"),"")',
            fits(book, most),
            "green where sequences <= max_sequences",
            "sequences <= max_sequences",
        ),
    )


def taken_of(book: Workbook, memory: str) -> str:
    """The engine's share of a memory, rounded as the engine does."""
    up, down = (SHARED.format(of=memory, rest=rest) for rest in ("+9999", ""))
    return f'IF({_of_engine(book, "share_of")}="all, rounded up",{up},{down})'


def _left(book: Workbook, names: Names, own: Way, how: str) -> tuple[Answer, ...]:
    """What is left of a GPU for the cache, and of that for requests."""
    free = f'{_of_engine(book, "share_of")}="free"'
    loaded = f"weights_per_gpu-{names.start}"
    taken = taken_of(book, names.shared)
    return (
        Answer(
            names.shared,
            f"=IF(ISNUMBER({names.start}),IF({_there(names.memory, 'weights_per_gpu')},IF({free},"
            f'{names.memory}-{loaded},{names.memory}),"missing"),{names.start})',
            own.shared,
            f"what memory_share is of, {how}",
        ),
        Answer(
            names.budget,
            f"=IF(ISNUMBER({names.start}),IF({_there(names.shared, 'memory_share')},IF({free},"
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


def _taken(starts: Starts, column: str, name: str, own: int | str, note: str) -> Answer:
    """What a start takes beside the weights: as given, its parts together, or why none is known."""
    parts = f"SUMIF({starts.column('beside')},start_row,{starts.column(column)})"
    known = f'IF({starts.first("kind", 1)}="{DECLINED}",{starts.first("source", 1)},{parts})'
    return Answer(
        name,
        f"=IF(ISNUMBER(start_row),IF(ISNUMBER(reserve_bytes),reserve_bytes,{known}),start_row)",
        own,
        f"{note}: the sum of the parts, or reserve_bytes",
    )


def _start_row(book: Workbook) -> str:
    on, rows = kinds(book.starts.gpu), len(book.combinations)
    first, last = letters(len(FORMULAS)), letters(len(FORMULAS) + len(on) - 1)
    heads = f"Formulas!${first}${FIRST_ROW}:${last}${FIRST_ROW}"
    cells = f"Formulas!${first}${FIRST_ROW + 1}:${last}${FIRST_ROW + rows}"
    has = _of_gpu("compute_capability")
    tenths = f"ROUND({has}*10,0)"
    typed = f'INT({tenths}/10)&"."&MOD({tenths},10)'
    kind = f'IF(ISNUMBER({has}),{typed},IF({has}="","{NO_CAPABILITY}",{has}))'
    place = f"IFERROR({match('gpu', heads)},MATCH({kind},{heads},0))"
    return (
        f"=IF(ISNUMBER(total_bytes),IF(ISNUMBER(gpu_memory),IFERROR(INDEX({cells},formulas_row,"
        f'{place}),"{NO_KIND}"),"{MISSING}"),"{SEE_TOTAL}")'
    )


def _there(*names: str) -> str:
    """Whether each of several cells has a number; a sum takes an empty one for 0."""
    return f"AND({','.join(f'ISNUMBER({name})' for name in names)})"


def _handed_out(book: Workbook, budget: str) -> str:
    block, held = _of_row(book, "block_bytes_per_gpu"), _of_engine(book, "held_back_blocks")
    whole = f"MAX(0,INT({budget}/{block})-{held})*{block}"
    return (
        f"=IF(ISNUMBER({budget}),IF({held}=0,MAX(0,{budget}),IF(formulas_row=0,0,"
        f'IF(ISNUMBER({block}),{whole},"{ASK_FIT}"))),{budget})'
    )


def _per_copy(book: Workbook, starts: Starts, names: Names) -> str:
    one, two = (
        _of_row(book, f"{count}_sequence{'s' * (count == 'two')}_per_gpu")
        for count in ("one", "two")
    )
    most, at_once = _of_row(book, "most_sequences"), starts.first("at_once")
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


def _on_all(per_copy: str) -> str:
    return (
        f"=IF(ISNUMBER({per_copy}),IF(ISNUMBER(gpus),"
        f'INT(gpus/tensor_parallel_size)*{per_copy},"{NO_GPUS}"),{per_copy})'
    )


def _of_gpu(name: str) -> str:
    """Look up a fact of the chosen GPU."""
    rows = len(gpus.catalogue())
    names, column = (column_of("GPUs", GPUS, one, rows) for one in ("gpu", name))
    return f"INDEX({column},MATCH(gpu,{names},0))"


def _of_row(book: Workbook, name: str) -> str:
    return f"INDEX({column_of('Formulas', FORMULAS, name, len(book.combinations))},formulas_row)"


def _of_engine(book: Workbook, name: str) -> str:
    rows = len(book.engines)
    names, column = (column_of("Engines", ENGINES, one, rows) for one in ("engine", name))
    return f"INDEX({column},MATCH(engine,{names},0))"
