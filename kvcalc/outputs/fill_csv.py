"""A filled plan as CSV, streamed: the plan's own cells, then the answers."""

import csv
from collections.abc import Collection, Iterable, Sequence
from typing import TextIO

from kvcalc.answers.fill.columns import ANSWERS, answers_to
from kvcalc.answers.fill.rows import Filled
from kvcalc.outputs.table import harmless, is_formula


def write_csv(
    file: TextIO,
    header: Sequence[str],
    rows: Iterable[tuple[Sequence[str], Filled]],
    columns: Collection[str] = (),
    added: Sequence[str] = (),
    delimiter: str = ",",
    *,
    kept: bool = True,
) -> bool:
    """Write the header and the rows; each row is cut or padded to the width of the header.

    `columns` are the questions for which the plan has columns, `added` the answers on request.
    Cells are `kept` as they are, else those are marked that a spreadsheet would calculate. Say
    whether any of those was kept.
    """
    width, names = len(header), answers_to(columns)
    releases = len(names) > len(ANSWERS)
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    found = False

    def own(row: Sequence[str]) -> Sequence[str]:
        nonlocal found
        if not any(map(is_formula, row)):
            return row
        found = True
        return row if kept else [harmless(cell) for cell in row]

    writer.writerow([*own(header), *names, *added])
    writer.writerows(
        [
            *own(row if len(row) == width else [*row[:width], *[""] * (width - len(row))]),
            answer.bytes,
            answer.bytes_per_gpu,
            answer.error,
            *((answer.engine_version,) if releases else ()),
            *answer.added,
        ]
        for row, answer in rows
    )
    return found and kept
