"""`kvcalc sheet`: a workbook that a planner keeps, of live formulas."""

import shlex
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kvcalc import readers
from kvcalc.answers.workbook import workbook
from kvcalc.cli.amounts import amount, amounts
from kvcalc.cli.options import preset_names
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError, quote

if TYPE_CHECKING:
    from kvcalc.answers.workbook import Workbook


def sheet(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Presets' names, files, folders or Hub ids.",
            autocompletion=preset_names,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The .xlsx file to write.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="DIR", help="The same sheets' values as CSV.")
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option("-e", "--engine", help="[default: ideal,vllm,llama.cpp,sglang]"),
    ] = None,
    kv_cache_dtype: Annotated[
        list[str] | None,
        typer.Option("-d", "--kv-cache-dtype", help="[default: the models' own,fp8]"),
    ] = None,
    tensor_parallel_size: Annotated[
        list[str] | None, typer.Option("--tp", "--tensor-parallel-size", help="[default: 1,8]")
    ] = None,
    context: Annotated[
        str | None,
        typer.Option("-c", "--context", "--max-model-len", help="Tokens that Plan starts with."),
    ] = None,
    sequences: Annotated[
        str, typer.Option("-n", "--sequences", "--max-num-seqs", "--parallel")
    ] = "1",
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """A workbook of live formulas: change a cell, and all answers follow.

    kvcalc sheet k-exaone-236b-a23b gpt-oss-20b -o plan.xlsx
    """
    _refuse(output, csv, force)
    readings = [(name, readers.read(name)) for name in dict.fromkeys(models)]
    for _, reading in readings:
        for note in reading.notes:
            note_on_stderr(note)
    book = workbook(
        readings,
        among=_listed(engine),
        dtypes=_listed(kv_cache_dtype),
        ranks=amounts(tensor_parallel_size, "--tp"),
        context=amount(context, "--context"),
        sequences=amount(sequences, "--sequences") or 1,
        command=shlex.join(["kvcalc", *sys.argv[1:]]),
        version=version("kvcalc"),
        date=date.today().isoformat(),
    )
    _write(book, output, csv, force)


def _write(book: "Workbook", output: Path | None, csv: Path | None, force: bool) -> None:
    from kvcalc.outputs.workbook.contents import sheets
    from kvcalc.outputs.workbook.writer import write_csv, write_xlsx
    from kvcalc.outputs.write import replacing

    laid_out, names = sheets(book)
    if output is not None:
        with replacing(output) as part:
            write_xlsx(part, laid_out, names)
    if csv is not None:
        write_csv(csv, laid_out, force=force)


def _refuse(output: Path | None, csv: Path | None, force: bool) -> None:
    if output is None and csv is None:
        raise RequestError.about("output", "missing; give -o plan.xlsx, --csv DIR or both")
    if output is None:
        return
    if output.suffix != ".xlsx":
        raise RequestError(f"output {quote(str(output), 300)}: expected a name that ends in .xlsx")
    if output.exists() and not force:
        raise RequestError(f"output {quote(str(output), 300)}: exists; --force replaces it")


def _listed(texts: list[str] | None) -> list[str]:
    return [name for text in texts or () for name in text.split(",")]
