"""*Plan*'s answers about GPUs: the memory left to the cache, and how many sequences it holds."""

from kvcalc.answers.fit.price import HOURS_A_MONTH
from kvcalc.answers.workbook import Workbook
from kvcalc.outputs.workbook.cells import divided_up, match
from kvcalc.outputs.workbook.expected import (
    NO_GPUS,
    TOO_FEW,
    Expected,
    at_most,
    fits,
    needed,
)
from kvcalc.outputs.workbook.layout import MODELS, column_of
from kvcalc.outputs.workbook.lookups import of_gpu, start_row
from kvcalc.outputs.workbook.plan_answers import Answer
from kvcalc.outputs.workbook.starts import Starts
from kvcalc.outputs.workbook.ways import LIKELY, PROMISED, left, per_copy, taken

PROMISE = "on tensor_parallel_size: a promise"


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
            f'=IFERROR({of_gpu("usable_bytes")},"gpu: not in GPUs")',
            likely.memory,
            "bytes of a card: what a framework sees, else its driver",
        ),
        Answer(
            "least_memory",
            f"=IF(ISNUMBER(gpu_memory),IF(ISNUMBER({of_gpu('least_bytes')}),"
            f"{of_gpu('least_bytes')},gpu_memory),gpu_memory)",
            promised.memory,
            "the least that one was seen to have, of which a promise is",
        ),
        Answer(
            "start_row",
            start_row(book),
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
        taken(starts, "bytes", LIKELY.start, likely.start, "likely beside the weights"),
        taken(starts, "high", PROMISED.start, promised.start, "at most beside the weights"),
        *left(book, PROMISED, promised, "sure to be there"),
        *left(book, LIKELY, likely, "likely"),
        Answer("sequences_per_copy", per_copy(book, starts, PROMISED), promised.per_copy, PROMISE),
        Answer(
            "max_sequences",
            _on_all("sequences_per_copy"),
            most,
            "on all gpus, at Plan's context: a promise",
            "Copies of the model, times what one of them holds.",
        ),
        Answer("likely_per_copy", per_copy(book, starts, LIKELY), likely.per_copy, "likely"),
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


def _on_all(per_copy: str) -> str:
    return (
        f"=IF(ISNUMBER({per_copy}),IF(ISNUMBER(gpus),"
        f'INT(gpus/tensor_parallel_size)*{per_copy},"{NO_GPUS}"),{per_copy})'
    )
