"""What fits as a workbook: a row per answer, and what it costs at prices that people type."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from kvcalc.answers.fit.fitted import Fit
from kvcalc.answers.fit.grid import RefusedFit
from kvcalc.answers.fit.price import HOURS_A_MONTH
from kvcalc.outputs.workbook.cells import Choice, Sheet, cell, match
from kvcalc.units import at_version

HEAD_ROW = 3
TEXTS = ("model", "engine", "gpu", "fits", "binding")
NUMBERS = ("gpus", "context", "sequences", "promised_sequences", "max_sequences", "max_context")
BYTES = ("cache_memory_per_gpu", "weights_per_gpu", "bytes_per_gpu_per_sequence")
COSTS = ("gpus_rented", "price_hour", "cost_hour", "cost_month", "cost_hour_per_sequence")
COLUMNS = (*TEXTS, *NUMBERS, *BYTES, *COSTS, "why_not")
WIDTHS = (26, 18, 14, 8, 24, *(12,) * len(NUMBERS), *(20,) * len(BYTES), *(14,) * len(COSTS), 60)
MOST_PRICE = 10**9


def fit_sheets(
    rows: Sequence[Fit | RefusedFit], prices: Mapping[str, Decimal], spare: int
) -> tuple[Sheet, Sheet]:
    """Lay out the answers, and the hourly price of each kind of GPU, in any currency."""
    listed = _prices(list(dict.fromkeys(row.gpu for row in rows)), prices)
    sheet = Sheet("Fit", WIDTHS, frozen=(HEAD_ROW + 1, 1), locked=False)
    sheet.put(0, 0, "What fits", "title")
    sheet.put(1, 0, "Bytes are of one GPU; costs follow the prices on Prices.", "note")
    sheet.head(HEAD_ROW, COLUMNS, len(TEXTS))
    last = HEAD_ROW + len({row.gpu for row in rows})
    for number, row in enumerate(rows, HEAD_ROW + 1):
        if isinstance(row, RefusedFit):
            _refused(sheet, number, row)
        else:
            _answered(sheet, number, row, spare)
            _costs(sheet, number, row, prices.get(row.gpu), spare, last)
    return sheet, listed


def _prices(gpus: Sequence[str], prices: Mapping[str, Decimal]) -> Sheet:
    sheet = Sheet("Prices", (18, 14, 40), frozen=(HEAD_ROW + 1, 0))
    sheet.put(0, 0, "Prices", "title")
    sheet.put(
        1, 0, "Of one GPU for an hour, in your currency; empty where it is not known.", "note"
    )
    sheet.head(HEAD_ROW, ("gpu", "price_hour"), 1)
    for number, gpu in enumerate(gpus, HEAD_ROW + 1):
        sheet.put(number, 0, gpu)
        sheet.put(number, 1, float(prices[gpu]) if gpu in prices else "", "amount")
        sheet.choices.append(Choice(number, 1, most=MOST_PRICE, whole=False, least=0))
    return sheet


def _place(name: str) -> int:
    return COLUMNS.index(name)


def _refused(sheet: Sheet, number: int, row: RefusedFit) -> None:
    known = {
        "model": row.model,
        "engine": at_version(row.engine, row.engine_version),
        "gpu": row.gpu,
        "fits": "cannot",
        "gpus": row.gpus,
        "context": row.context,
        "sequences": row.sequences,
        "why_not": row.error,
    }
    for name, value in known.items():
        sheet.put(number, _place(name), value, "number" if name in NUMBERS else "text")


def _answered(sheet: Sheet, number: int, row: Fit, spare: int) -> None:
    texts = {
        "model": row.model,
        "engine": at_version(row.engine, row.engine_version),
        "gpu": row.gpu,
        "fits": "yes" if row.fits else "no",
        "binding": row.binding,
    }
    for name, text in texts.items():
        sheet.put(number, _place(name), text)
    for name in (*NUMBERS, *BYTES):
        sheet.put(number, _place(name), getattr(row, name), "number")
    sheet.put(number, _place("gpus_rented"), row.gpus + spare, "number")


def _costs(
    sheet: Sheet, number: int, row: Fit, price: Decimal | None, spare: int, last: int
) -> None:
    """Formulas of the costs: empty where there is no price, or where nothing fits."""
    hour = None if price is None else (row.gpus + spare) * price
    each = None if hour is None or not row.promised_sequences else hour / row.promised_sequences
    at = {name: cell(number, _place(name)) for name in COLUMNS}
    kinds, listed = (f"Prices!${letter}${HEAD_ROW + 2}:${letter}${last + 1}" for letter in "AB")
    found = f"INDEX({listed},{match(at['gpu'], kinds)})"
    formulas: Mapping[str, tuple[str, Decimal | None]] = {
        "price_hour": (f'=IF(ISNUMBER({found}),{found},"")', price),
        "cost_hour": (
            f'=IF(ISNUMBER({at["price_hour"]}),{at["gpus_rented"]}*{at["price_hour"]},"")',
            hour,
        ),
        "cost_month": (
            f'=IF(ISNUMBER({at["cost_hour"]}),{at["cost_hour"]}*{HOURS_A_MONTH},"")',
            None if hour is None else hour * HOURS_A_MONTH,
        ),
        "cost_hour_per_sequence": (
            f"=IF(ISNUMBER({at['cost_hour']}),IF({at['promised_sequences']}>0,"
            f'{at["cost_hour"]}/{at["promised_sequences"]},""),"")',
            each,
        ),
    }
    for name, (formula, value) in formulas.items():
        sheet.live(number, _place(name), formula, "" if value is None else float(value), "money")
