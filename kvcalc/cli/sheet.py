"""`kvcalc sheet`: a spreadsheet of live formulas, for planners."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kvcalc.cli.amounts import amount, amounts
from kvcalc.cli.completion import gpus as gpu_names
from kvcalc.cli.completion import models as preset_names
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import GPU, AxesOptions, items
from kvcalc.cli.server_line import LineOptions
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.outputs.workbook.sheet import sheet as answer


class SheetAxes(AxesOptions):
    """The engines, element types and ranks of the workbook."""

    @property
    def own(self) -> dict[str, Any]:
        """The settings that have an option of their own: here lists, which stand apart."""
        lists = ("kv_cache_dtype", "tensor_parallel_size")
        return {name: one for name, one in super().own.items() if name not in lists}


@grouped
def sheet(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Presets' names, files, folders or Hub ids.",
            autocompletion=preset_names,
            show_default=False,
        ),
    ] = None,
    *,
    axes: SheetAxes,
    line: LineOptions,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The .xlsx file to write.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="DIR", help="Folder for the values of every sheet, as CSV."),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "-c", "--context", "--max-model-len", help="Context that the Plan sheet starts with."
        ),
    ] = None,
    sequences: Annotated[
        str | None,
        typer.Option("-n", "--sequences", "--parallel", help="Sequences at once.  [default: 1]"),
    ] = None,
    gpu: Annotated[str | None, typer.Option(help=GPU, autocompletion=gpu_names)] = None,
    gpus: Annotated[
        int | None,
        typer.Option(help="Number of GPUs that the Plan sheet starts with.  [default: as --tp]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write a spreadsheet of live formulas: change a cell, and all answers follow.

    kvcalc sheet k-exaone-236b-a23b gpt-oss-20b -o plan.xlsx

    kvcalc sheet llama-3.1-8b -e vllm,llama.cpp -d bf16,fp8 --tp 1,8 --csv plan
    """
    names, wanted = line.of_files(models, axes, context, sequences)
    book = answer(
        names,
        output,
        csv=csv,
        among=wanted.engines,
        dtypes=items(axes.kv_cache_dtype),
        ranks=amounts(axes.tensor_parallel_size, "--tp"),
        context=amount(context, "--context") or wanted.context,
        sequences=amount(sequences, "--sequences") or wanted.sequences or 1,
        gpu=gpu,
        gpus=gpus,
        force=force,
        command=shlex.join(["kvcalc", *sys.argv[1:]]),
        **wanted.settings_on(),
    )
    for one in book.models:
        for note in one.reading.notes:
            note_on_stderr(note)
    for flag in wanted.loading:
        note_on_stderr(f"{flag}: {flag.reason}; the sheet counts the model's own")
