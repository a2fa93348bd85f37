"""A filled plan as CSV, streamed: the plan's own cells unchanged, then the answers."""

import csv
from collections.abc import Collection, Iterable, Sequence
from typing import TextIO

from kvcalc.answers.fill import ANSWERS, Filled, answers_to


def write_csv(
    file: TextIO,
    header: Sequence[str],
    rows: Iterable[tuple[Sequence[str], Filled]],
    columns: Collection[str] = (),
    added: Sequence[str] = (),
    delimiter: str = ",",
) -> None:
    """Write the header and the rows; each row is cut or padded to the width of the header.

    `columns` are the questions for which the plan has columns, `added` the answers on request.
    """
    width, names = len(header), answers_to(columns)
    releases = len(names) > len(ANSWERS)
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*header, *names, *added])
    writer.writerows(
        [
            *(row if len(row) == width else [*row[:width], *[""] * (width - len(row))]),
            answer.bytes,
            answer.bytes_per_gpu,
            answer.error,
            *((answer.engine_version,) if releases else ()),
            *answer.added,
        ]
        for row, answer in rows
    )
