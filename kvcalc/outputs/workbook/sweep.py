"""*Sweep*: contexts by windows and models, each formula in its own cells, and two charts."""

from typing import TYPE_CHECKING, NamedTuple

from kvcalc.answers.listed import Listed
from kvcalc.answers.sweep import USUAL_CONTEXTS
from kvcalc.answers.workbook import MOST, Workbook
from kvcalc.answers.workbook.combinations import Combination, cost_of
from kvcalc.costs import Cost
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.formula.formula import Formula
from kvcalc.outputs.workbook.cells import Chart, Choice, Series, Sheet, cell
from kvcalc.outputs.workbook.combination import cell_text, of_sequences
from kvcalc.outputs.workbook.layout import FIRST_ROW

if TYPE_CHECKING:
    from kvcalc.formula.expression import Value

COLUMNS = (
    "model",
    "window",
    "context",
    "bytes",
    "full_attention_bytes",
    "saving",
    "GiB",
    "full, GiB",
    "full layers, GiB",
    "window layers, GiB",
)
PLACE = {name: column for column, name in enumerate(COLUMNS)}
WIDTHS = (24, 10, 12, 22, 22, 10, 12, 12, 18, 20, 3, 24, 18, 20)
SUMMARY = len(COLUMNS) + 1
GIB = 2**30


class Block(NamedTuple):
    """The rows of one model and window: contexts from `first` to `last`."""

    listed: Listed
    window: int | None
    first: int
    last: int


def sweep_sheet(book: Workbook) -> Sheet:
    """Lay out every model's contexts and windows, for the first row of *Plan*."""
    chosen = book.chosen
    sheet = Sheet("Sweep", WIDTHS, frozen=(FIRST_ROW, 1))
    sheet.put(0, 0, "Sweep", "title")
    ranks = chosen.tensor_parallel_size
    note = (
        f"{chosen.engine}, {chosen.kv_cache_dtype}, tensor_parallel_size {ranks}, one sequence: "
        "it follows its own cells and not Plan's lists."
    )
    sheet.put(1, 0, note, "note")
    sheet.head(FIRST_ROW - 1, COLUMNS, text_columns=1)
    blocks: list[Block] = []
    number = FIRST_ROW
    for listed in book.models:
        one = _row_of(book, listed)
        if one.cost is None:
            sheet.put(number, 0, listed.name)
            sheet.put(number, PLACE["bytes"], str(one.error), "sentence")
            number += 1
            continue
        for window in listed.model.windows or (listed.model.window,):
            last = _write_block(sheet, number, one, window, book)
            blocks.append(Block(listed, window, number, last))
            number = last + 1
    _write_charts(sheet, blocks)
    return sheet


def _row_of(book: Workbook, listed: Listed) -> Combination:
    chosen = book.chosen
    asked = (listed, chosen.engine, chosen.kv_cache_dtype, chosen.tensor_parallel_size)
    return next(
        one
        for one in book.combinations
        if (one.listed, one.engine, one.kv_cache_dtype, one.tensor_parallel_size) == asked
    )


def _contexts(listed: Listed) -> tuple[int, ...]:
    longest = listed.model.max_context or USUAL_CONTEXTS[-1]
    usual = tuple(tokens for tokens in USUAL_CONTEXTS if tokens <= longest)
    return listed.model.contexts or usual or (longest,)


def _write_block(
    sheet: Sheet, first: int, one: Combination, window: int | None, book: Workbook
) -> int:
    """Write a model's contexts at one window, and return the place of the last row."""
    model = one.listed.model
    cost = cost_of(one, model if window is None else model.with_window(window), book.gpu)
    formulas = {"bytes": cost.formula, "full layers, GiB": _of_full_layers(cost)}
    try:
        full = cost_of(one, model.with_full_attention(), book.gpu)
    except UnsupportedError as error:  # the model's own layers have an answer
        sheet.put(first, PLACE["full_attention_bytes"], str(error), "sentence")
    else:
        formulas["full_attention_bytes"] = full.formula
    contexts = _contexts(one.listed)
    for row, tokens in enumerate(contexts, first):
        sheet.put(row, 0, one.listed.name)
        sheet.put(row, 1, window, "input")
        sheet.put(row, 2, tokens, "input")
        sheet.choices.append(Choice(row, 2, most=MOST["context"]))
        if window is not None:
            sheet.choices.append(Choice(row, 1, most=MOST["window"]))
        for name, formula in formulas.items():
            _write_formula(sheet, row, name, one, formula, formula(tokens, sequences=1), book)
        _write_derived(sheet, row)
        if "full_attention_bytes" in formulas:
            _write_saving(sheet, row)
    return first + len(contexts) - 1


def _of_full_layers(cost: Cost) -> Formula:
    """Sum the groups of layers without a window."""
    total: Value = 0
    for group in cost.groups:
        if group.window is None:
            total = total + group.formula.expression
    return Formula(total, cost.formula.variables)


def _write_formula(
    sheet: Sheet,
    row: int,
    name: str,
    one: Combination,
    formula: Formula,
    value: int,
    book: Workbook,
) -> None:
    names = {"context": cell(row, 2)}
    if name != "full_attention_bytes":  # a window as long as any context
        names["window"] = cell(row, 1)
    shown: float = value / GIB if name.endswith("GiB") else value
    style = "gib" if name.endswith("GiB") else "number"
    settings = dict.fromkeys(book.inputs, 0)
    try:
        text = cell_text(one, of_sequences(formula, 1), settings, names)
    except KvcalcError:
        sheet.put(row, PLACE[name], shown, style)
        return
    if name.endswith("GiB"):
        text = f"=({text[1:]})/2^30"
    sheet.live(row, PLACE[name], text, shown, style)


def _write_derived(sheet: Sheet, row: int) -> None:
    total, of_full = (_held(sheet, row, name) for name in ("bytes", "full layers, GiB"))
    places = {name: cell(row, column) for name, column in PLACE.items()}
    sheet.live(row, PLACE["GiB"], f"={places['bytes']}/2^30", total / GIB, "gib")
    rest = f"={places['GiB']}-{places['full layers, GiB']}"
    sheet.live(row, PLACE["window layers, GiB"], rest, total / GIB - of_full, "gib")


def _write_saving(sheet: Sheet, row: int) -> None:
    """Write what the window saves of the same model with all layers full."""
    total, full = (_held(sheet, row, name) for name in ("bytes", "full_attention_bytes"))
    own, whole = (cell(row, PLACE[name]) for name in ("bytes", "full_attention_bytes"))
    sheet.live(row, PLACE["saving"], f"=1-{own}/{whole}", 1 - total / full, "percent")
    sheet.live(row, PLACE["full, GiB"], f"={whole}/2^30", full / GIB, "gib")


def _held(sheet: Sheet, row: int, name: str) -> float:
    return float(sheet.cells[row, PLACE[name]].value)


def _write_charts(sheet: Sheet, blocks: list[Block]) -> None:
    """Draw each model at its longest context and last window, and the first model's windows."""
    longest = {block.listed.name: block for block in blocks}
    if not longest:
        return
    for column, title in enumerate(("longest context", *COLUMNS[8:10]), SUMMARY):
        sheet.put(FIRST_ROW - 1, column, title, "head" if column == SUMMARY else "number head")
    for row, (name, block) in enumerate(longest.items(), FIRST_ROW):
        sheet.put(row, SUMMARY, name)
        for column, source in enumerate(COLUMNS[8:10], SUMMARY + 1):
            value = sheet.cells[block.last, PLACE[source]].value
            sheet.live(row, column, f"={cell(block.last, PLACE[source])}", value, "gib")
    last = FIRST_ROW + len(longest) - 1
    names = (FIRST_ROW, SUMMARY, last, SUMMARY)
    stacked = tuple(
        Series(title, names, (FIRST_ROW, column, last, column))
        for column, title in ((SUMMARY + 1, "full layers"), (SUMMARY + 2, "window layers"))
    )
    title = "At the longest context: full and window layers"
    place = max(last + 2, FIRST_ROW)
    sheet.charts.append(Chart("column", "stacked", title, "", "GiB", stacked, place, SUMMARY))
    own = [block for block in blocks if block.listed is blocks[0].listed]
    series = [_against_context(f"window {one.window:,}", one, "GiB") for one in own if one.window]
    if (own[0].first, PLACE["full, GiB"]) in sheet.cells:
        series.append(_against_context("full attention", own[0], "full, GiB"))
    # "=" at its start would make the title a formula.
    texts = (f"GiB against context: {own[0].listed.name}", "context, tokens", "GiB")
    chart = Chart("scatter", "straight_with_markers", *texts, tuple(series), place + 20, SUMMARY)
    sheet.charts.append(chart)


def _against_context(name: str, block: Block, column: str) -> Series:
    place = PLACE[column]
    contexts = (block.first, PLACE["context"], block.last, PLACE["context"])
    return Series(name, contexts, (block.first, place, block.last, place))
