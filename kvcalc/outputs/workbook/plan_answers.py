"""*Plan*'s answers: the chosen row of *Formulas*, and the checks before it is shown."""

from typing import NamedTuple

from kvcalc.answers.workbook import MOST, SETTINGS, Workbook
from kvcalc.outputs.workbook.cells import Sheet, match, quote
from kvcalc.outputs.workbook.layout import FIRST_ROW, FORMULAS, MODELS, column_of

MAX_EXACT = "2^53"
FINE = "as expected"
PAST = "more than 2^53 bytes: past what a spreadsheet counts exactly"
AMOUNTS = ("context", "sequences", *SETTINGS)


class Answer(NamedTuple):
    """An answer: its formula, its value when the workbook is written, and its derivation."""

    name: str
    formula: str
    value: str | int | float
    note: str = ""
    comment: str = ""
    style: str = "answer"


def of_plan(book: Workbook, formulas: Sheet, checks: tuple[str, int]) -> tuple[Answer, ...]:
    """The answers to the inputs that choose a formula and its amounts."""
    one, rows = book.chosen, len(book.combinations)
    context, sequences = int(book.inputs["context"]), int(book.inputs["sequences"])
    assert one.cost is not None
    total = as_written(book, formulas, "bytes")
    written = isinstance(total, int)
    per_gpu = as_written(book, formulas, "bytes_per_gpu") if written else ""
    gib = [value / 2**30 if isinstance(value, int) else "" for value in (total, per_gpu)]
    derivation = str(one.cost.explain(context, sequences=sequences))
    agree = f"{checks[1]} of {checks[1]} checks agree"
    return (
        Answer(
            "total_bytes",
            _total(book, rows),
            total,
            "over all ranks",
            f"As written:\n{derivation}"[:2000],
        ),
        Answer(
            "bytes_per_gpu",
            f'=IF(ISNUMBER(total_bytes),{_looked_up("bytes_per_gpu", rows)},"")',
            per_gpu,
            "on the fullest rank",
            f"As written: {one.cost.per_gpu} on the fullest of {one.tensor_parallel_size} ranks",
        ),
        Answer(
            "total_gib",
            '=IF(ISNUMBER(total_bytes),total_bytes/2^30,"")',
            gib[0],
            "GiB, of 2^30 bytes",
            "total_bytes / 2^30",
            "answer gib",
        ),
        Answer(
            "gib_per_gpu",
            '=IF(ISNUMBER(bytes_per_gpu),bytes_per_gpu/2^30,"")',
            gib[1],
            "GiB on the fullest rank",
            "bytes_per_gpu / 2^30",
            "answer gib",
        ),
        Answer(
            "formula", _shown("formula", rows), as_written(book, formulas, "formula"), style="text"
        ),
        Answer("why", _shown("why", rows), as_written(book, formulas, "why"), style="text"),
        Answer("window_used", *_window_used(book, formulas), style="text"),
        Answer("inputs", _inputs(), FINE, style="text"),
        Answer(
            "checks",
            f'=COUNTIF({checks[0]},0)&" of {checks[1]} checks agree"',
            agree,
            "Checks: kvcalc's own figures",
            "How many formulas give here what kvcalc gave, at amounts that do not follow Plan.",
        ),
        Answer(
            "formulas_row",
            _row(rows),
            book.combinations.index(one) + 1,
            "of Formulas, 0 if not there",
            style="text",
        ),
    )


def as_written(book: Workbook, formulas: Sheet, name: str) -> int | str:
    """A value of the chosen row of *Formulas*; an empty text if there is no row."""
    found = formulas.cells.get((row_of(book), FORMULAS.index(name)))
    return "" if found is None or isinstance(found.value, float) else found.value


def row_of(book: Workbook) -> int:
    """The place of the chosen row of *Formulas*."""
    return FIRST_ROW + book.combinations.index(book.chosen)


def _row(rows: int) -> str:
    keys = column_of("Formulas", FORMULAS, "key", rows)
    key = 'model&"|"&engine&"|"&kv_cache_dtype&"|"&tensor_parallel_size'
    return f"=IFERROR({match(key, keys)},0)"


def _looked_up(name: str, rows: int) -> str:
    return f"INDEX({column_of('Formulas', FORMULAS, name, rows)},formulas_row)"


def _shown(name: str, rows: int) -> str:
    return f'=IF(formulas_row=0,"",{_looked_up(name, rows)}&"")'


def _total(book: Workbook, rows: int) -> str:
    found = _looked_up("bytes", rows)
    models, asked = (
        column_of("Models", MODELS, name, len(book.models)) for name in ("model", "asked_for_as")
    )
    missing = (
        f'"not in this workbook: kvcalc sheet "&IFERROR(INDEX({asked},{match("model", models)}),'
        'model)&" -e "&engine&" -d "&kv_cache_dtype&" --tp "&tensor_parallel_size'
    )
    exact = f"IF(ISNUMBER({found}),IF({found}>{MAX_EXACT},{quote(PAST)},{found}),{found})"
    return f"=IF(inputs<>{quote(FINE)},inputs,IF(formulas_row=0,{missing},{exact}))"


def _window_used(book: Workbook, formulas: Sheet) -> tuple[str, str]:
    """Whether the window is part of the chosen formula."""
    used = column_of("Formulas", FORMULAS, "window", len(book.combinations))
    formula = (
        f'=IF(formulas_row=0,"",IF(ISNUMBER(INDEX({used},formulas_row)),'
        f'INDEX({used},formulas_row)&" tokens","unused: "&model&" has no one window"))'
    )
    own = as_written(book, formulas, "window")
    unused = f"unused: {book.chosen.listed.name} has no one window"
    value = f"{own} tokens" if isinstance(own, int) else unused
    return formula, value


def _inputs() -> str:
    """Say what was expected of the first number that is not whole or is out of range."""
    text = quote(FINE)
    for name in reversed((*AMOUNTS, "window")):
        sentence = quote(f"{name}: expected a whole number from 1 to {MOST[name]:,}")
        bad = f"IF({name}<1,TRUE,IF({name}>{MOST[name]},TRUE,{name}<>INT({name})))"
        text_is_bad = 'AND(window<>"unused",window<>"")' if name == "window" else "TRUE"
        text = f"IF(IF(ISNUMBER({name}),{bad},{text_is_bad}),{sentence},{text})"
    return f"={text}"
