"""The rows of a plan, answered: a record per row, with its cells and its answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kvcalc.answers.fill.added import Adding, adder
from kvcalc.answers.fill.columns import places, unanswered
from kvcalc.answers.fill.rows import Filled, filler
from kvcalc.readers.rows import read_rows
from kvcalc.records import Records


@dataclass(frozen=True)
class FilledRow:
    """A row of a plan: the number of its line, its cells by column, and its answer.

    `bytes` is over all ranks and `bytes_per_gpu` on the fullest; `error` is None, or the sentence
    that says why the row has no answer. `engine_version` is the engine's release that they hold
    for, None if there is no answer. `gib` is the bytes in GiB to two decimals, `fits` whether the
    row fits on the GPUs and `gpus` the fewest that hold it; None where they are not asked for or
    there is no answer.
    """

    line: int
    row: Mapping[str, str]
    bytes: int | None
    bytes_per_gpu: int | None
    error: str | None
    engine_version: str | None
    gib: float | None
    fits: bool | None
    gpus: int | None


def fill(
    plan: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    add: Iterable[str] = (),
    gpu: str | None = None,
    gpus: int | None = None,
) -> Records[FilledRow]:
    """Answer every row of a plan: a CSV, Parquet or .xlsx file with one question per row.

    Its columns are model and context, and as needed engine, release, sequences, window,
    kv_cache_dtype and tensor_parallel_size; `columns` maps these to other names. An empty cell
    means the default. `add` asks for gib, fits and gpus, too: `fits` is asked of so many `gpus` of
    a kind, or of any number of them. On a `gpu` the engines' defaults are those there.

    Raises:
        KvcalcError: the file cannot be read, a column is missing or occurs twice, or what is to be
            added is not known or lacks a GPU.
    """
    adding = Adding(tuple(add), gpu, gpus)
    with read_rows(Path(plan)) as table:
        table = unanswered(table)
        answer = filler(len(table.header), places(table.header, columns or {}), gpu)
        more = adder(adding)
        return Records(
            _record(table.header, line, row, more(answer(row)), adding.columns)
            for line, row in table.rows
        )


def _record(
    header: Sequence[str], line: int, row: Sequence[str], found: Filled, columns: Sequence[str]
) -> FilledRow:
    cells = dict(zip(header, row, strict=False))
    added = {name: cell for name, cell in zip(columns, found.added, strict=True) if cell}
    return FilledRow(
        line=line,
        row=cells,
        bytes=found.bytes,
        bytes_per_gpu=found.bytes_per_gpu,
        error=None if found.error is None else str(found.error),
        engine_version=found.engine_version or None,
        gib=float(added["gib"]) if "gib" in added else None,
        fits=added["fits"] == "yes" if "fits" in added else None,
        gpus=int(added["gpus"]) if "gpus" in added else None,
    )
