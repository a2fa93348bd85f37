"""`kvcalc diff`: two releases, engines or models, and why they differ."""

from typing import Annotated

import typer

from kvcalc import readers
from kvcalc.answers.diff import diff as answer
from kvcalc.cli.amounts import amount
from kvcalc.cli.completion import gpus
from kvcalc.cli.gpu import LoadOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import GPU, ModelOptions, SettingsOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_line import LineOptions
from kvcalc.cli.warnings import note_on_stderr, warn_past_maximum
from kvcalc.errors import RequestError
from kvcalc.model import Model
from kvcalc.outputs.pages.diff import diff_page
from kvcalc.units import parse_memory

DIFFERENT = 1


@grouped
def diff(
    sides: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL OLD NEW",
            help="A model, and two engines or releases: vllm@0.20.0 vllm@0.33.0. Or two models, "
            "with -e.",
            show_default=False,
        ),
    ],
    settings: SettingsOptions,
    load: LoadOptions,
    output: OutputOptions,
    engine: Annotated[
        str | None, typer.Option("-e", "--engine", help="The engine of both, for two models.")
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "-c", "--context", "--max-model-len", help="Context of one sequence, as 256K tokens."
        ),
    ] = None,
    sequences: Annotated[
        str,
        typer.Option("-n", "--sequences", "--parallel", help="Sequences at once."),
    ] = "1",
    window: Annotated[
        str | None, typer.Option("-w", "--window", help="Sliding window, in tokens.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", help=f"{GPU} Pools are compared too.", autocompletion=gpus),
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(help="Number of GPUs.  [default: the fewest on which the old side runs]"),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Cache memory per GPU, instead of --gpu, as 49GiB.")
    ] = None,
) -> None:
    """Show what an upgrade changes: bytes and pools of both sides, and the rules that differ.

    kvcalc diff k-exaone-236b-a23b vllm@0.20.0 vllm@0.33.0 -c 128K

    kvcalc diff llama-3.1-8b llama-3.1-70b -e vllm -c 32K

    Exits with 0 if both sides are equal, with 1 if they differ.
    """
    models, engines = _parted(sides, engine)
    read = [_read(source) for source in models]
    sizes = [
        None if gpu is None else load.read_weights(source, model)
        for source, model in zip(models, read, strict=True)
    ]
    asked = amount(context, "--context")
    found = answer(
        read[0],
        *engines,
        new_model=read[1] if len(read) > 1 else None,
        context=asked,
        sequences=amount(sequences, "--sequences") or 1,
        window=amount(window, "--window"),
        gpu=gpu,
        gpus=gpus,
        memory=None if memory is None else parse_memory(memory, "--memory"),
        weights=sizes[0],
        new_weights=sizes[-1],
        reserve=load.reserve_bytes,
        **LineOptions().asked(ModelOptions(), settings, engines).settings,
    )
    output.write_one(found, lambda: diff_page(found), [found.old, found.new])
    for model in read:
        warn_past_maximum(model, [found.context])
    if not found.equal:
        raise typer.Exit(DIFFERENT)


def _parted(sides: list[str], engine: str | None) -> tuple[list[str], list[str]]:
    """The models, one or two, and the engines, two or one.

    Raises:
        RequestError: neither a model with two engines, nor two models with one.
    """
    if len(sides) == 3 and engine is None:
        return sides[:1], sides[1:]
    if len(sides) == 2 and engine is not None:
        return sides, [engine]
    found = f"{len(sides)} words" + ("" if engine is None else f" and -e {engine}")
    raise RequestError.about(
        "diff", f"found {found}, expected MODEL OLD NEW, or MODEL MODEL -e ENGINE"
    )


def _read(source: str) -> Model:
    reading = readers.read(source)
    for note in reading.notes:
        note_on_stderr(note)
    return reading.model
