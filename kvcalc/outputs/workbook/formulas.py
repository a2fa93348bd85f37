"""*Formulas*: one row per model, engine, element type and ranks, one column per use."""

from kvcalc import engines
from kvcalc.answers.workbook import Workbook
from kvcalc.answers.workbook.combinations import Combination, asked_of
from kvcalc.answers.workbook.starts import kinds
from kvcalc.costs import Cost
from kvcalc.engines.pool import pool
from kvcalc.errors import KvcalcError
from kvcalc.outputs.workbook.cells import Sheet, cell
from kvcalc.outputs.workbook.combination import (
    cell_text,
    cell_value,
    is_linear,
    of_sequences,
)
from kvcalc.outputs.workbook.layout import (
    FIRST_ROW,
    FORMULAS,
    WORKLOAD_CONTEXT,
    WORKLOAD_FIRST_ROW,
    WORKLOAD_SESSIONS,
)
from kvcalc.outputs.workbook.sessions import peak_sessions, sessions_of
from kvcalc.outputs.workbook.starts import Starts

PLACE = {name: column for column, name in enumerate(FORMULAS)}
WIDTHS = (24, 11, 16, 20, 10, 24, 22, *(18,) * 5, 22, 22, 20, 16, 60, 60, 40, 16)
KIND_WIDTH = 18
TEXTS = ("formula", "why", "key", "engine_version")
UNITS = {
    "window": "tokens",
    "bytes": "all ranks, at Plan",
    "bytes_per_gpu": "the fullest rank",
    "p50": "all ranks, at Workload",
    "one_sequence_per_gpu": "the fullest rank",
    "block_bytes_per_gpu": "of a cut memory",
    "most_sequences": "of the engine",
}


def formulas_sheet(book: Workbook, starts: Starts) -> Sheet:
    """Lay out the sheet in which *Plan* and *Workload* look up their answers."""
    on = kinds(book.starts.gpu)
    widths = (*WIDTHS, *(KIND_WIDTH for _ in on))
    sheet = Sheet("Formulas", widths, frozen=(FIRST_ROW, 4))
    sheet.put(0, 0, "Formulas", "title")
    sheet.put(
        1,
        0,
        "Each row is one formula, at Plan's inputs and Workload's: bytes, exact to 2^53. "
        "The window is Plan's for Plan's model, and of others their own.",
        "note",
    )
    sheet.head(FIRST_ROW - 1, FORMULAS, text_columns=3)
    for name in TEXTS:
        sheet.put(FIRST_ROW - 1, PLACE[name], name, "head")
    for name, unit in UNITS.items():
        sheet.put(FIRST_ROW - 2, PLACE[name], unit, "number note")
    for column, kind in enumerate(on, len(FORMULAS)):
        sheet.put(FIRST_ROW - 2, column, "row of Start", "number note")
        sheet.put(FIRST_ROW - 1, column, kind.name, "number head")
        for number, one in enumerate(book.combinations, FIRST_ROW):
            sheet.put(number, column, starts.places.get((one.key, kind.name)), "number")
    for number, one in enumerate(book.combinations, FIRST_ROW):
        _write_row(sheet, number, one, book)
    return sheet


def _write_row(sheet: Sheet, number: int, one: Combination, book: Workbook) -> None:
    sheet.row(number, [one.listed.name, one.engine, one.kv_cache_dtype, one.tensor_parallel_size])
    sheet.put(number, PLACE["key"], one.key, "note")
    if one.cost is None:
        sheet.put(number, PLACE["bytes"], str(one.error), "sentence")
        return
    try:
        _write_formulas(sheet, number, one, one.cost, book)
    except KvcalcError as error:
        for column in range(PLACE["window"], PLACE["key"]):
            sheet.cells.pop((number, column), None)
        sheet.put(number, PLACE["bytes"], str(error), "sentence")


def _write_formulas(
    sheet: Sheet, number: int, one: Combination, cost: Cost, book: Workbook
) -> None:
    names = {"context": "context", "sequences": "sequences"}
    if (own := cost.formula.variables.get("window")) is not None:
        names["window"] = cell(number, PLACE["window"])
        chosen = f"AND({cell(number, 0)}=model,ISNUMBER(window))"
        sheet.live(number, PLACE["window"], f"=IF({chosen},window,{own})", own)
    context, sequences = int(book.inputs["context"]), int(book.inputs["sequences"])
    for name, formula in (("bytes", cost.formula), ("bytes_per_gpu", cost.per_gpu)):
        text = cell_text(one, formula, book.inputs, names)
        value = cell_value(one, formula, context, sequences)
        sheet.live(number, PLACE[name], text, value)
    for row, asked in enumerate(book.workload, WORKLOAD_FIRST_ROW):
        at_peak = sessions_of(asked.share, peak_sessions())
        places = {
            **names,
            "context": f"Workload!{cell(row, WORKLOAD_CONTEXT)}",
            "sequences": f"Workload!{cell(row, WORKLOAD_SESSIONS)}",
        }
        text = cell_text(one, cost.formula, book.inputs, places)
        value = cell_value(one, cost.formula, asked.tokens_in + asked.tokens_out, at_peak)
        sheet.live(number, PLACE[asked.name], text, value)
    _write_capacity(sheet, number, one, cost, book)
    sheet.put(number, PLACE["formula"], str(cost.formula))
    sheet.put(number, PLACE["why"], cost.why or None)
    sheet.put(number, PLACE["engine_version"], cost.engine_version)


def _write_capacity(
    sheet: Sheet, number: int, one: Combination, cost: Cost, book: Workbook
) -> None:
    """Write the cells that tell how many sequences fit, if the cost is linear in them.

    As in `kvcalc fit`, what a sequence holds on the way to its context must fit, too.
    """
    context = int(book.inputs["context"])
    names = {"context": "context", "window": cell(number, PLACE["window"])}
    memory = engines.find(one.engine).memory
    one_pool = memory is not None and not memory.several_pools
    if one_pool and is_linear(cost.peak_per_gpu.expression, "sequences"):
        for count, column in enumerate(("one_sequence_per_gpu", "two_sequences_per_gpu"), 1):
            formula = of_sequences(cost.peak_per_gpu, count)
            text = cell_text(one, formula, book.inputs, names)
            sheet.live(number, PLACE[column], text, formula(context))
    sheet.put(number, PLACE["block_bytes_per_gpu"], _block_bytes(one, context, book.gpu), "number")
    sheet.put(number, PLACE["most_sequences"], one.most_sequences, "number")


def _block_bytes(one: Combination, context: int, gpu: str | None) -> int | None:
    """Bytes per GPU of one block, if the engine cuts its memory into blocks."""
    try:
        divided = pool(
            one.listed.model,
            one.engine,
            memory=2**44,
            context=context,
            **asked_of(one, gpu),
        )
    except KvcalcError:
        return None
    size: int | None = divided.figures.get("bytes_per_block")
    return size
