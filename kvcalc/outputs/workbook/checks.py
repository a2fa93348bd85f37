"""*Checks*: kvcalc's own figures beside what this spreadsheet works out, for every formula."""

from collections.abc import Iterator

from kvcalc.answers.workbook import Workbook
from kvcalc.answers.workbook.combinations import Combination
from kvcalc.costs import Cost
from kvcalc.errors import KvcalcError
from kvcalc.formula.languages.excel import MAX_EXACT, MAX_LITERAL, literal
from kvcalc.outputs.workbook.cells import Sheet, cell
from kvcalc.outputs.workbook.combination import cell_text, cell_value
from kvcalc.outputs.workbook.layout import FIRST_ROW

COLUMNS = (
    "model",
    "engine",
    "kv_cache_dtype",
    "tensor_parallel_size",
    "context",
    "sequences",
    "window",
    "kvcalc",
    "this spreadsheet",
    "difference",
)
PLACE = {name: column for column, name in enumerate(COLUMNS)}
WIDTHS = (24, 12, 16, 20, 12, 11, 10, 24, 24, 14)
ODD_CONTEXT, ODD_SEQUENCES = 100_003, 7
"""Primes, which no block or page divides."""


def checks_sheet(book: Workbook) -> Sheet:
    """Lay out two checks per formula: at the inputs that Plan starts with, and at odd amounts."""
    sheet = Sheet("Checks", WIDTHS, frozen=(FIRST_ROW, 4))
    sheet.put(0, 0, "Checks", "title")
    note = (
        "kvcalc's figures are constants; beside them is the formula on the same row's amounts. "
        "They do not follow Plan."
    )
    sheet.put(1, 0, note, "note")
    sheet.head(FIRST_ROW - 1, COLUMNS, text_columns=3)
    number = FIRST_ROW
    for one, cost in _written(book):
        for context, sequences in _amounts(one, cost, book):
            _write_check(sheet, number, one, cost, (context, sequences), book)
            number += 1
    return sheet


def differences(sheet: Sheet) -> tuple[str, int]:
    """Refer to the column of differences, and count its checks."""
    last = max(row for row, _ in sheet.cells)
    return sheet.range(PLACE["difference"], FIRST_ROW, last), last - FIRST_ROW + 1


def _written(book: Workbook) -> Iterator[tuple[Combination, Cost]]:
    for one in book.combinations:
        if one.cost is None:
            continue
        try:
            cell_text(one, one.cost.formula, book.inputs, {"context": "A1", "sequences": "A2"})
        except KvcalcError:
            continue
        yield one, one.cost


def _amounts(one: Combination, cost: Cost, book: Workbook) -> list[tuple[int, int]]:
    asked = (
        (int(book.inputs["context"]), int(book.inputs["sequences"])),
        (ODD_CONTEXT, ODD_SEQUENCES),
    )
    most = one.most_sequences
    amounts = [(tokens, min(many, most) if most else many) for tokens, many in asked]
    return [pair for pair in amounts if int(cell_value(one, cost.formula, *pair)) <= MAX_EXACT]


def _write_check(
    sheet: Sheet,
    number: int,
    one: Combination,
    cost: Cost,
    amounts: tuple[int, int],
    book: Workbook,
) -> None:
    asked = (one.listed.name, one.engine, one.kv_cache_dtype, one.tensor_parallel_size)
    sheet.row(number, asked)
    for column, amount in enumerate((*amounts, cost.formula.variables.get("window")), len(asked)):
        sheet.put(number, column, amount, "number")
    expected = cell_value(one, cost.formula, *amounts)
    if isinstance(expected, int) and expected >= MAX_LITERAL:
        # LibreOffice saves a constant in 15 digits.
        sheet.live(number, PLACE["kvcalc"], f"={literal(expected)}", expected)
    else:
        sheet.put(number, PLACE["kvcalc"], expected, "number")
    names = {name: cell(number, PLACE[name]) for name in ("context", "sequences", "window")}
    settings = dict.fromkeys(
        book.inputs, 0
    )  # no setting has this value, so each stands as a number
    text = cell_text(one, cost.formula, settings, names)
    sheet.live(number, PLACE["this spreadsheet"], text, expected)
    ours, theirs = cell(number, PLACE["kvcalc"]), cell(number, PLACE["this spreadsheet"])
    sheet.live(number, PLACE["difference"], f"={theirs}-{ours}", 0)
