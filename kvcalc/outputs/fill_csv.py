"""A filled plan as CSV, streamed: the plan's own cells as they stood, then the answers."""

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

from kvcalc.answers.fill import ANSWERS, Filled


def write_csv(
    file: TextIO, header: Sequence[str], rows: Iterable[tuple[Sequence[str], Filled]]
) -> None:
    """Write the header and the rows; a row of another width is cut or padded to the header's."""
    width = len(header)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*header, *ANSWERS])
    writer.writerows(
        [*row, answer.bytes, answer.bytes_per_gpu, answer.error]
        if len(row) == width
        else [*row[:width], *[""] * (width - len(row)), None, None, answer.error]
        for row, answer in rows
    )
