"""`kvcalc fill`: a plan's rows, with the answers in columns beside them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kvcalc import engines
from kvcalc.answers.fill.added import Adding, adder
from kvcalc.answers.fill.columns import meant, places, unanswered
from kvcalc.answers.fill.rows import Filled, filler
from kvcalc.cli.options import GPU
from kvcalc.cli.pairs import named
from kvcalc.cli.progress import reading
from kvcalc.cli.stderr import tell
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError, quote
from kvcalc.outputs.write import refuse_to_overwrite, streamed_stdout, unwritten
from kvcalc.readers.rows import read_rows
from kvcalc.readers.table import Table
from kvcalc.scratch import replacing

ENDINGS = ("", ".csv", ".tsv", ".txt", ".xlsx")
"""The endings of files that are written; CSV under another would mislead."""


def fill(
    plan: Annotated[
        Path,
        typer.Argument(help="A .csv, .tsv, .parquet or .xlsx file, or - for CSV from stdin."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A .csv, .tsv or .xlsx file.  [default: CSV to stdout]"
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUESTION=NAME", help="Name of a column in the plan, as context=ctx_len."
        ),
    ] = None,
    add: Annotated[
        str | None, typer.Option(help="More columns of answers, as gib,fits,gpus.")
    ] = None,
    gpu: Annotated[str | None, typer.Option(help=GPU)] = None,
    gpus: Annotated[
        int | None, typer.Option(help="Number of GPUs that `fits` is asked about.  [default: any]")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file.")] = False,
) -> int:
    """Answer every row of a plan, in columns beside it.

    A plan has the columns model and context, and as needed engine, release, sequences, window,
    kv_cache_dtype and tensor_parallel_size. Cells are parted by commas, semicolons or tabs. The
    answers of an earlier run are replaced.

    kvcalc fill plan.csv -o filled.csv

    kvcalc fill plan.csv --add gib,fits --gpu h200 --gpus 8
    """
    source = None if str(plan) == "-" else plan
    if output is not None and output.suffix.lower() not in ENDINGS:
        raise unwritten(output, ENDINGS[1:])
    _refuse_to_overwrite(source, output, force)
    adding = Adding(tuple(add.split(",")) if add else (), gpu, gpus)
    bad = 0
    used: set[str] = set()
    with read_rows(source) as table:
        table = unanswered(table)
        named_columns = named(column or (), "--column", "question=name")
        columns = places(table.header, named_columns, adding.columns)
        add_to = adder(adding)
        answer = filler(len(table.header), columns, gpu)

        def answers() -> Iterator[tuple[Sequence[str], Filled]]:
            nonlocal bad
            for number, row in reading(table, source):
                found = add_to(answer(row))
                if found.error is not None:
                    bad += 1
                    if strict:
                        raise found.error.within(f"{_name(source)}: line {number:,}")
                elif found.cost is not None:
                    used.add(found.cost.engine)
                yield row, found

        formulas = _write(table, answers(), columns, output, adding.columns)
        unread = {name for place, name in enumerate(table.header) if place not in columns.values()}
        otherwise = meant(table.header, columns)
    _note_settings(unread, used)
    for name, question in otherwise.items():
        note_on_stderr(f"column {quote(name)} is not read; --column {question}={name} reads it")
    if formulas:
        note_on_stderr("cells that a spreadsheet would calculate are kept as the plan has them")
    if bad:
        rows = "1 row has" if bad == 1 else f"{bad:,} rows have"
        tell(f"{rows} no answer; the column error says why")
    return 1 if bad else 0


def _note_settings(unread: set[str], used: set[str]) -> None:
    """Say which columns are named like an engine's setting, but are not read."""
    for name in sorted(used):
        if settings := unread & engines.find(name).settings.model_fields.keys():
            listed = ", ".join(map(quote, sorted(settings)))
            note_on_stderr(f"columns that are settings of {name}, but not read: {listed}")


def _write(
    table: Table,
    rows: Iterator[tuple[Sequence[str], Filled]],
    columns: dict[str, int],
    output: Path | None,
    added: Sequence[str],
) -> bool:
    """Write the rows; say whether cells are kept that a spreadsheet would calculate."""
    from kvcalc.outputs.fill_csv import write_csv

    # Cells of a text file stay as they are; a workbook's are marked, so that CSV runs no formula.
    kept = table.file is not None
    if output is None:
        with streamed_stdout() as file:
            return write_csv(file, table.header, rows, columns, added, table.delimiter, kept=kept)
    with replacing(output) as part:
        if output.suffix.lower() == ".xlsx":
            from kvcalc.outputs.workbook.fill_xlsx import write_xlsx

            write_xlsx(part, table.header, rows, columns, added)
            return False
        delimiter = "\t" if output.suffix.lower() == ".tsv" else table.delimiter
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            return write_csv(file, table.header, rows, columns, added, delimiter, kept=kept)


def _refuse_to_overwrite(source: Path | None, output: Path | None, force: bool) -> None:
    if output is None or not output.exists():
        return
    if source is not None and source.exists() and output.samefile(source):
        named = f"output {quote(str(output), 300)}"
        raise RequestError.about(
            "output", "is the input; name another file", named=named, found=str(output)
        )
    refuse_to_overwrite(output, force)


def _name(source: Path | None) -> str:
    return "stdin" if source is None else quote(str(source), 300)
