"""*Plan*'s answers about GPUs: the memory left to the cache, and how many sequences it holds.

The rules are those of `kvcalc fit`, as *Engines* lists them: a share of all memory, less weights
and reserve, or a share of what is free of both. If memory is cut into blocks, only whole blocks
count, less those that the engine holds back.
"""

from kvcalc.answers.fit.price import HOURS_A_MONTH
from kvcalc.answers.workbook import Workbook
from kvcalc.catalogue import gpus
from kvcalc.outputs.workbook.cells import Sheet, divided_up, match
from kvcalc.outputs.workbook.expected import (
    ASK_FIT,
    MISSING,
    NO_GPUS,
    SEE_TOTAL,
    TOO_FEW,
    at_most,
    expected,
    fits,
    needed,
    shared,
)
from kvcalc.outputs.workbook.layout import ENGINES, FORMULAS, GPUS, MODELS, column_of
from kvcalc.outputs.workbook.plan_answers import Answer

TEN_THOUSANDTHS = "ROUND(memory_share*10000,0)"
SHARED = (
    f"INT(shared_memory/10000)*{TEN_THOUSANDTHS}"
    "+INT((MOD(shared_memory,10000)*" + TEN_THOUSANDTHS + "{rest})/10000)"
)
"""It divides before it multiplies, so that all stays exact."""


def of_plan(book: Workbook, formulas: Sheet) -> tuple[Answer, ...]:
    """The answers about GPUs, in the order in which they depend on each other."""
    own = expected(book, formulas)
    needs, most = needed(book, own.per_copy), at_most(book, own.per_copy)
    names = column_of("GPUs", GPUS, "gpu", len(gpus.catalogue()))
    memory = column_of("GPUs", GPUS, "usable_bytes", len(gpus.catalogue()))
    free = f'{_of_engine(book, "share_of")}="free"'
    loaded = "weights_per_gpu-reserve_bytes"
    even = divided_up("weights_bytes", "tensor_parallel_size")
    models = column_of("Models", MODELS, "model", len(book.models))
    all_weights = column_of("Models", MODELS, "weights_bytes", len(book.models))
    held = f"INDEX({all_weights},{match('model', models)})"
    loaded_bytes = _of_row(book, "weights_per_gpu")
    taken = (
        f'IF({_of_engine(book, "share_of")}="all, rounded up",{SHARED.format(rest="+9999")},'
        f"{SHARED.format(rest='')})"
    )
    return (
        Answer(
            "gpu_memory",
            f'=IFERROR(INDEX({memory},MATCH(gpu,{names},0)),"gpu: not in GPUs")',
            own.memory,
            "bytes of a card: what a framework sees, else its driver",
        ),
        Answer(
            "weights_per_gpu",
            f"=IF(ISNUMBER(weights_bytes),IF(weights_bytes<>{held},{even},IF(formulas_row=0,{even},"
            f'IF(ISNUMBER({loaded_bytes}),{loaded_bytes},{even}))),"missing")',
            own.weights,
            "as the engine loads them (Formulas); typed ones are divided over the ranks",
        ),
        Answer(
            "shared_memory",
            f"=IF({_there('gpu_memory', 'weights_per_gpu')},IF({free},gpu_memory-{loaded},"
            f'gpu_memory),"missing")',
            shared(book, own),
            "what memory_share is of",
        ),
        Answer(
            "cache_budget",
            f"=IF({_there('shared_memory', 'memory_share')},IF({free},IF(shared_memory>0,{taken},"
            f'shared_memory),{taken}-{loaded}),"{MISSING}")',
            own.cache,
            "bytes of a card for the cache; below 0 the weights do not fit",
            "The engine's share of a card's memory, less weights and reserve (kvcalc fit).",
        ),
        Answer(
            "cache_usable",
            _handed_out(book),
            own.handed_out,
            "whole blocks, less those that the engine holds back",
        ),
        Answer("sequences_per_copy", _per_copy(book), own.per_copy, "on tensor_parallel_size"),
        Answer(
            "max_sequences",
            "=IF(ISNUMBER(sequences_per_copy),IF(ISNUMBER(gpus),"
            f'INT(gpus/tensor_parallel_size)*sequences_per_copy,"{NO_GPUS}"),sequences_per_copy)',
            most,
            "on all gpus, at Plan's context",
            "Copies of the model, times what one of them holds.",
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


def _there(*names: str) -> str:
    """Whether each of several cells has a number; a sum takes an empty one for 0."""
    return f"AND({','.join(f'ISNUMBER({name})' for name in names)})"


def _handed_out(book: Workbook) -> str:
    block, held = _of_row(book, "block_bytes_per_gpu"), _of_engine(book, "held_back_blocks")
    whole = f"MAX(0,INT(cache_budget/{block})-{held})*{block}"
    return (
        f"=IF(ISNUMBER(cache_budget),IF({held}=0,MAX(0,cache_budget),IF(formulas_row=0,0,"
        f'IF(ISNUMBER({block}),{whole},"{ASK_FIT}"))),cache_budget)'
    )


def _per_copy(book: Workbook) -> str:
    one, two = (
        _of_row(book, f"{count}_sequence{'s' * (count == 'two')}_per_gpu")
        for count in ("one", "two")
    )
    most = _of_row(book, "most_sequences")
    many = f"1+INT((cache_usable-{one})/MAX(1,{two}-{one}))"
    fitting = f"IF(cache_usable<{one},0,{many})"
    limited = f"IF(ISNUMBER({most}),MIN({most},{fitting}),{fitting})"
    known = f'IF(ISNUMBER({one}),{limited},"{ASK_FIT}")'
    return (
        f'=IF(ISNUMBER(total_bytes),IF(ISNUMBER(cache_usable),{known},cache_usable),"{SEE_TOTAL}")'
    )


def _of_row(book: Workbook, name: str) -> str:
    return f"INDEX({column_of('Formulas', FORMULAS, name, len(book.combinations))},formulas_row)"


def _of_engine(book: Workbook, name: str) -> str:
    rows = len(book.engines)
    names, column = (column_of("Engines", ENGINES, one, rows) for one in ("engine", name))
    return f"INDEX({column},MATCH(engine,{names},0))"
