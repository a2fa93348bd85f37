"""*Plan*'s inputs: the name of each, its starting value, and what may be typed."""

from typing import NamedTuple

from kvcalc.answers.workbook import MOST, MOST_GPUS, Workbook, capacity
from kvcalc.catalogue.gpus import catalogue
from kvcalc.outputs.workbook import engines, sessions
from kvcalc.outputs.workbook.cells import letters, match
from kvcalc.outputs.workbook.layout import (
    ENGINES,
    FIRST_ROW,
    GPUS,
    MODELS,
    column_of,
)
from kvcalc.outputs.workbook.models import window_of

THE_PARTS = "the parts"
"""What reserve_bytes holds until a person types a number."""


class Input(NamedTuple):
    """An input: `listed` is the range of its choices; `least` and `most` bound a number.

    `formula` gives its value until a person types over it.
    """

    name: str
    value: str | int | float
    note: str
    formula: str = ""
    listed: str = ""
    least: int = 1
    most: int | str = ""
    whole: bool = True


def of_plan(book: Workbook) -> tuple[Input, ...]:
    """The inputs that choose a formula and its amounts."""
    own, held = book.inputs, _in_models(book, "window")
    window = window_of(book.chosen.listed)
    most = _most(book)
    return (
        Input("model", own["model"], "from Models", listed=_models(book)),
        Input("engine", own["engine"], "from Engines", listed=_engines(book)),
        Input(
            "kv_cache_dtype",
            own["kv_cache_dtype"],
            "element type of the cache",
            listed=_list(0, len(engines.dtypes(book))),
        ),
        Input(
            "tensor_parallel_size",
            own["tensor_parallel_size"],
            "ranks that share each layer",
            listed=_list(1, len(engines.ranks(book))),
        ),
        Input("context", own["context"], "tokens of one sequence", most=most["context"]),
        Input("sequences", own["sequences"], "at once", most=most["sequences"]),
        Input(
            "window",
            window if isinstance(window, int) else "unused",
            "tokens; the model's own until typed over",
            formula=f'=IF(ISNUMBER({held}),{held},"unused")',
            most=MOST["window"],
        ),
        Input(
            "max_num_batched_tokens",
            own["max_num_batched_tokens"],
            "vllm; its own default depends on the GPU",
            most=MOST["max_num_batched_tokens"],
        ),
        Input(
            "max_num_seqs",
            own["max_num_seqs"],
            "vllm; its own default depends on the GPU",
            most=MOST["max_num_seqs"],
        ),
        Input(
            "ubatch_size",
            own["ubatch_size"],
            "llama.cpp",
            most=MOST["ubatch_size"],
        ),
    )


def of_capacity(book: Workbook) -> tuple[Input, ...]:
    """The inputs for the GPUs, the workload and the price."""
    held, weights = _in_models(book, "weights_bytes"), book.chosen.listed.weights_bytes
    sheet_engines = column_of("Engines", ENGINES, "memory_share", len(book.engines))
    names = _engines(book)
    share = f"INDEX({sheet_engines},MATCH(engine,{names},0))"
    gpus = column_of("GPUs", GPUS, "gpu", len(catalogue()))
    return (
        Input("gpu", book.inputs["gpu"], "from GPUs", listed=gpus),
        Input("gpus", book.inputs["gpus"], "cards", most=MOST_GPUS),
        Input(
            "weights_bytes",
            "missing" if weights is None else weights,
            "all weights, as published (Models)",
            formula=f'=IF(ISNUMBER({held}),{held},"missing")',
            least=0,
            most=2**46,
        ),
        Input(
            "memory_share",
            capacity.memory_rule(book.chosen.engine, book.settings).share,
            "of a card's memory (Engines), to four decimals",
            formula=f'=IFERROR({share},"missing")',
            least=0,
            most=1,
            whole=False,
        ),
        Input(
            "reserve_bytes",
            THE_PARTS,
            "a number stands for all parts but weights",
            least=0,
            most=2**46,
        ),
        Input("spare_gpus", 0, "rented, but not counted on", least=0, most=2**20),
        Input("price_hour", 0, "a card's, in your currency", least=0, most=10**6, whole=False),
        Input(
            "requests_per_second",
            sessions.REQUESTS_PER_SECOND,
            "an example: type your own",
            least=0,
            most=10**6,
            whole=False,
        ),
        Input(
            "seconds_per_request",
            sessions.SECONDS_PER_REQUEST,
            "an example: type your own",
            least=0,
            most=10**6,
            whole=False,
        ),
        Input(
            "peak_factor",
            sessions.PEAK_FACTOR,
            "sessions at the peak, over the mean",
            least=0,
            most=10**3,
            whole=False,
        ),
    )


def _most(book: Workbook) -> dict[str, str]:
    """Bounds of context and sequences that keep every formula's bytes below 2^53, as formulas.

    A cost is assumed to be at most a fixed part and a part per token, for each sequence, with a
    factor of two to spare.
    """
    fixed = token = 1
    for one in book.combinations:
        if one.cost is None:
            continue
        few, many = one.cost(1), one.cost(2**20)
        fixed, token = max(fixed, 2 * few), max(token, 2 * -(-many // 2**20))
    sequences = f"INT(2^53/({fixed}+{token}*context))"
    context = f"INT((2^53/sequences-{fixed})/{token})"
    return {
        "context": f"=MAX(1,MIN({MOST['context']},{context}))",
        "sequences": f"=MAX(1,MIN({MOST['sequences']},{sequences}))",
    }


def _models(book: Workbook) -> str:
    return column_of("Models", MODELS, "model", len(book.models))


def _in_models(book: Workbook, name: str) -> str:
    """Look up a fact about the chosen model."""
    facts = column_of("Models", MODELS, name, len(book.models))
    return f"INDEX({facts},{match('model', _models(book))})"


def _engines(book: Workbook) -> str:
    return column_of("Engines", ENGINES, "engine", len(book.engines))


def _list(place: int, rows: int) -> str:
    letter = letters(engines.LIST_COLUMN + place)
    return f"Engines!${letter}${FIRST_ROW + 1}:${letter}${FIRST_ROW + rows}"
