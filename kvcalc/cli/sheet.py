"""`kvcalc sheet`: a spreadsheet of live formulas, for planners."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from kvcalc.cli.amounts import amount, amounts
from kvcalc.cli.options import GPU, preset_names
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.outputs.workbook.sheet import sheet as answer


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
        Path | None,
        typer.Option("--csv", metavar="DIR", help="Folder for the values of every sheet, as CSV."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option("-e", "--engine", help="Engines.  [default: ideal,vllm,llama.cpp,sglang]"),
    ] = None,
    kv_cache_dtype: Annotated[
        list[str] | None,
        typer.Option(
            "-d", "--kv-cache-dtype", help="Element types.  [default: the models' own,fp8]"
        ),
    ] = None,
    tensor_parallel_size: Annotated[
        list[str] | None,
        typer.Option(
            "--tp", "--tensor-parallel-size", help="GPUs that share a layer.  [default: 1,8]"
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "-c", "--context", "--max-model-len", help="Context that the Plan sheet starts with."
        ),
    ] = None,
    sequences: Annotated[
        str,
        typer.Option("-n", "--sequences", "--parallel", help="Sequences at once."),
    ] = "1",
    gpu: Annotated[str | None, typer.Option(help=GPU)] = None,
    gpus: Annotated[
        int | None, typer.Option(help="Number of GPUs that Plan starts with.  [default: as --tp]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write a spreadsheet of live formulas: change a cell, and all answers follow.

    kvcalc sheet k-exaone-236b-a23b gpt-oss-20b -o plan.xlsx

    kvcalc sheet llama-3.1-8b -e vllm,llama.cpp -d bf16,fp8 --tp 1,8 --csv plan
    """
    book = answer(
        models,
        output,
        csv=csv,
        among=_listed(engine),
        dtypes=_listed(kv_cache_dtype),
        ranks=amounts(tensor_parallel_size, "--tp"),
        context=amount(context, "--context"),
        sequences=amount(sequences, "--sequences") or 1,
        gpu=gpu,
        gpus=gpus,
        force=force,
        command=shlex.join(["kvcalc", *sys.argv[1:]]),
    )
    for one in book.models:
        for note in one.reading.notes:
            note_on_stderr(note)


def _listed(texts: list[str] | None) -> list[str]:
    return [name for text in texts or () for name in text.split(",")]
