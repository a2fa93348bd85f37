"""The notes beneath *Plan*: how it was made, from what, and what it leaves out."""

from kvcalc.answers.workbook import Workbook
from kvcalc.outputs.workbook.cells import Sheet

NOT_MODELLED = ("throughput and latency", "pipeline stages: kvcalc fit answers them")


def write_about(sheet: Sheet, first_row: int, book: Workbook) -> None:
    """Write the notes from a row on."""
    lines = (
        ("kvcalc", book.version),
        ("command", book.command),
        ("date", book.date),
        ("sources", "Models, Engines, GPUs and Start name each fact's"),
        ("not modelled", "; ".join(NOT_MODELLED)),
        ("units", "bytes are exact; GiB are of 2^30 bytes; a context is one sequence's tokens"),
        ("blue", "cells to type over; all others are formulas, locked without a password"),
    )
    sheet.put(first_row, 0, "About", "head")
    for row, (name, text) in enumerate(lines, first_row + 1):
        sheet.put(row, 0, name)
        sheet.put(row, 1, text, "note")
