"""*Workload*: how long requests are, and what all sessions at the peak need."""

from kvcalc.answers.workbook import Workbook
from kvcalc.outputs.workbook import token_gains
from kvcalc.outputs.workbook.cells import Choice, Sheet, cell, quote, rounded_up
from kvcalc.outputs.workbook.layout import (
    FIRST_ROW,
    FORMULAS,
    WORKLOAD_CONTEXT,
    WORKLOAD_FIRST_ROW,
    WORKLOAD_SESSIONS,
    column_of,
)
from kvcalc.outputs.workbook.plan_answers import MAX_EXACT, PAST, as_written
from kvcalc.outputs.workbook.sessions import (
    PEAK_FACTOR,
    REQUESTS_PER_SECOND,
    SECONDS_PER_REQUEST,
    peak_sessions,
    sessions_of,
)

COLUMNS = (
    "requests up to",
    "tokens in",
    "tokens out",
    "share, %",
    "context",
    "sessions at peak",
    "bytes",
    "GiB",
)
WIDTHS = (30, 24, 14, 16, 14, 18, 24, 14)
BYTES, GIB = 6, 7
MEAN_ROW, PEAK_ROW, TOKENS_ROW = FIRST_ROW, FIRST_ROW + 1, FIRST_ROW + 2

NOTES = (
    "Each request counts as long as its class' longest, so that the sum is at least the need.",
    "An engine that allocates at its start for all (llama.cpp) needs the longest for each: "
    "Plan with the longest context and the sessions at the peak.",
)


def workload_sheet(book: Workbook, formulas: Sheet) -> tuple[Sheet, dict[str, str]]:
    """Lay out the percentiles of requests, their sessions, and the bytes of *Plan*'s choice.

    If a model has published gains over a predecessor's tokenizer, there is an input for that, and
    a defined name for its cell.
    """
    sheet = Sheet("Workload", WIDTHS, frozen=(WORKLOAD_FIRST_ROW, 1))
    sheet.put(0, 0, "Workload", "title")
    sheet.put(1, 0, "An example to start from: type your own over what is blue.", "note")
    sheet.put(2, 0, "For Plan's model, engine, element type and ranks, at Plan's rates.", "note")
    mean = REQUESTS_PER_SECOND * SECONDS_PER_REQUEST
    sheet.put(MEAN_ROW, 0, "mean sessions")
    sheet.live(MEAN_ROW, 1, "=requests_per_second*seconds_per_request", mean, "answer")
    sheet.put(MEAN_ROW, 2, "Little's law: requests per second times seconds each", "note")
    sheet.put(PEAK_ROW, 0, "sessions at the peak")
    peak = f"={rounded_up(f'{cell(MEAN_ROW, 1)}*peak_factor')}"
    sheet.live(PEAK_ROW, 1, peak, mean * PEAK_FACTOR, "answer")
    sheet.put(PEAK_ROW, 2, "times Plan's peak factor, rounded up", "note")
    sheet.head(WORKLOAD_FIRST_ROW - 1, COLUMNS, text_columns=1)
    gains = token_gains.gains(book)
    found = [
        _write_class(sheet, book, formulas, number, converts=bool(gains))
        for number in range(len(book.workload))
    ]
    _write_sum(sheet, book, found)
    notes_row = WORKLOAD_FIRST_ROW + len(book.workload) + 3
    for number, note in enumerate(NOTES, notes_row):
        sheet.put(number, 0, note, "note")
    if not gains:
        return sheet, {}
    table_row = notes_row + len(NOTES) + 2
    token_gains.write_input(sheet, TOKENS_ROW, table_row, gains)
    token_gains.write_table(sheet, table_row, gains)
    return sheet, {token_gains.NAME: sheet.at(TOKENS_ROW, token_gains.ASKED)}


def _write_class(
    sheet: Sheet, book: Workbook, formulas: Sheet, number: int, *, converts: bool
) -> int | str:
    """Write a class of requests, and return the bytes of its sessions."""
    asked, row = book.workload[number], WORKLOAD_FIRST_ROW + number
    sheet.put(row, 0, asked.name)
    for column, typed in enumerate((asked.tokens_in, asked.tokens_out, asked.share), 1):
        sheet.put(row, column, typed, "input")
        most = 100 if column == 3 else 2**26
        sheet.choices.append(Choice(row, column, most=most, least=0))
    tokens, sessions = asked.tokens_in + asked.tokens_out, sessions_of(asked.share, peak_sessions())
    both = f"{cell(row, 1)}+{cell(row, 2)}"
    context = token_gains.context(TOKENS_ROW, both) if converts else f"={both}"
    sheet.live(row, WORKLOAD_CONTEXT, context, tokens)
    share = f"={rounded_up(f'{cell(row, 3)}*{cell(PEAK_ROW, 1)}/100')}"
    sheet.live(row, WORKLOAD_SESSIONS, share, sessions)
    value = as_written(book, formulas, asked.name)
    if isinstance(as_written(book, formulas, "bytes"), str):
        value = "see Plan"
    none = f"{cell(row, WORKLOAD_SESSIONS)}=0"
    places = column_of("Formulas", FORMULAS, asked.name, len(book.combinations))
    found = f"INDEX({places},formulas_row)"
    exact = f"IF(ISNUMBER({found}),IF({found}>{MAX_EXACT},{quote(PAST)},{found}),{found})"
    text = f'IF(ISNUMBER(total_bytes),IF({none},0,{exact}),"see Plan")'
    if converts:
        unknown = f"{cell(TOKENS_ROW, token_gains.MORE)}=0"
        text = f'IF({unknown},"see {token_gains.NAME}",{text})'
    sheet.live(row, BYTES, f"={text}", value)
    _write_gib(sheet, row, value)
    return value


def _write_gib(sheet: Sheet, row: int, value: int | str) -> None:
    bytes_, text = cell(row, BYTES), "" if isinstance(value, str) else value / 2**30
    sheet.live(row, GIB, f'=IF(ISNUMBER({bytes_}),{bytes_}/2^30,"")', text, "gib")


def _write_sum(sheet: Sheet, book: Workbook, found: list[int | str]) -> None:
    first, row = WORKLOAD_FIRST_ROW, WORKLOAD_FIRST_ROW + len(book.workload)
    sheet.put(row, 0, "all", "head")
    sums = ((3, sum(one.share for one in book.workload)), (WORKLOAD_SESSIONS, 0), (BYTES, 0))
    for column, _ in sums:
        cells = f"{cell(first, column)}:{cell(row - 1, column)}"
        values = [sheet.cells[place, column].value for place in range(first, row)]
        total = sum(value for value in values if not isinstance(value, str))
        sheet.live(row, column, f"=SUM({cells})", total, "answer")
    _write_gib(sheet, row, sum(value for value in found if not isinstance(value, str)))
    share = cell(row, 3)
    warning = f'=IF({share}=100,"","the shares sum to "&{share}&" %, not 100 %")'
    sheet.live(row + 1, 0, warning, "", "sentence")
