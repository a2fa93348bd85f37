"""`kvcalc compare`: one request on every engine."""

from typing import Annotated

import typer

from kvcalc.answers.compare import compare as answer
from kvcalc.cli.amounts import amount, amounts
from kvcalc.cli.completion import gpus
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import GPU, ModelOptions, SettingsOptions
from kvcalc.cli.pictures import PictureOptions
from kvcalc.cli.server_line import LineOptions
from kvcalc.cli.warnings import warn_past_maximum
from kvcalc.outputs.pages.compare import compare_page


@grouped
def compare(
    model: ModelOptions,
    settings: SettingsOptions,
    server: LineOptions,
    output: PictureOptions,
    context: Annotated[
        str | None,
        typer.Option(
            "-c", "--context", "--max-model-len", help="Context of one sequence, as 256K tokens."
        ),
    ] = None,
    sequences: Annotated[
        str | None,
        typer.Option("-n", "--sequences", "--parallel", help="Sequences at once.  [default: 1]"),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option("-w", "--window", help="Sliding windows, as 4096,128; repeatable."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option("-e", "--engine", help="Only these engines, as vllm,ideal; repeatable."),
    ] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", help=GPU, autocompletion=gpus)] = None,
) -> None:
    """Compare one request on every engine, and say why the engines differ.

    kvcalc compare k-exaone-236b-a23b -c 256K -w 4096,128

    kvcalc compare gpt-oss-20b -e vllm,sglang,llama.cpp -c 128K
    """
    windows = amounts(window, "--window")
    names = [name for text in engine or () for name in text.split(",")]
    wanted = server.asked(model, settings, names, context, sequences, gpu=gpu)
    chosen = wanted.model.load(windows[0] if windows else None)
    rows = answer(
        chosen,
        context=amount(context, "--context") or wanted.context_of(chosen),
        window=windows or None,
        sequences=amount(sequences, "--sequences") or wanted.sequences_of(chosen) or 1,
        among=wanted.engines or None,
        **wanted.settings,
    )
    if not output.drew(rows.plot):
        output.write_rows(rows, lambda: compare_page(rows))
    warn_past_maximum(chosen, [row.context for row in rows])
