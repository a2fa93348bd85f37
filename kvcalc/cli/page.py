"""`kvcalc page`: one file that answers by itself, in a browser and without a network."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from kvcalc.cli.amounts import amount
from kvcalc.cli.completion import among, dtypes, gpus
from kvcalc.cli.completion import models as preset_names
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import GPU, AxesOptions
from kvcalc.cli.server_line import LineOptions
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.engines import ENGINES
from kvcalc.outputs.web.page import page as answer


class PageOptions(AxesOptions):
    """The engines, element types and ranks that the page lets choose from."""

    engine: Annotated[
        list[str] | None,
        typer.Option(
            "-e",
            "--engine",
            help="Engines, as vllm,ideal or vllm@0.25.1.  [default: all]",
            autocompletion=among(lambda: ENGINES),
        ),
    ] = None
    kv_cache_dtype: Annotated[
        list[str] | None,
        typer.Option(
            "-d",
            "--kv-cache-dtype",
            help="Element types beside the models' own.  [default: fp8,int8,int4,q8_0,q4_0]",
            autocompletion=dtypes,
        ),
    ] = None
    tensor_parallel_size: Annotated[
        list[str] | None,
        typer.Option(
            "--tp",
            "--tensor-parallel-size",
            help="GPUs that share each layer.  [default: 1,2,4,8]",
        ),
    ] = None


@grouped
def page(
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
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The .html file to write.", show_default=False)
    ],
    axes: PageOptions,
    line: LineOptions,
    context: Annotated[
        str | None,
        typer.Option("-c", "--context", "--max-model-len", help="Context that it starts with."),
    ] = None,
    sequences: Annotated[
        str | None,
        typer.Option("-n", "--sequences", "--parallel", help="Sequences at once.  [default: 1]"),
    ] = None,
    window: Annotated[
        str | None, typer.Option("-w", "--window", help="Sliding window, in tokens.")
    ] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", help=GPU, autocompletion=gpus)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a page of live figures: one file, which a browser opens without a network.

    kvcalc page k-exaone-236b-a23b gpt-oss-120b -o plan.html

    kvcalc page qwen3-32b -e vllm,sglang,llama.cpp -d fp8,q8_0 --tp 1,4 -c 32K -o small.html
    """
    names, wanted = line.of_files(models, axes, context, sequences, gpu=gpu)
    planned = answer(
        names,
        output,
        engine=wanted.engines,
        context=amount(context, "--context") or wanted.context,
        sequences=amount(sequences, "--sequences") or wanted.sequences or 1,
        window=amount(window, "--window"),
        force=force,
        command=shlex.join(["kvcalc", *sys.argv[1:]]),
        **wanted.settings,
    )
    for one in planned.models:
        for note in one.reading.notes:
            note_on_stderr(note)
