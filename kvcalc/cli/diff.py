"""`kvcalc diff`: two releases, engines or models, and why they differ."""

from typing import Annotated

import typer

from kvcalc import engines, readers
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
            "with -e. Beside --from what is left out is the line's: the model, and OLD.",
            show_default=False,
        ),
    ],
    settings: SettingsOptions,
    line: LineOptions,
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
        str | None,
        typer.Option("-n", "--sequences", "--parallel", help="Sequences at once.  [default: 1]"),
    ] = None,
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
    models, names = _parted(sides, engine, line.started())
    wanted = line.asked(ModelOptions(models[0]), settings, names, context, sequences)
    named = [name for name in (wanted.model.model, *models[1:]) if name is not None]
    read = [_read(source) for source in named]
    sizes = [
        None if gpu is None else load.read_weights(source, model, wanted.loading)
        for source, model in zip(named, read, strict=True)
    ]
    asked = amount(context, "--context") or wanted.context_of(read[0])
    found = answer(
        read[0],
        *wanted.engines,
        new_model=read[1] if len(read) > 1 else None,
        context=asked,
        sequences=amount(sequences, "--sequences") or wanted.sequences_of(read[0]) or 1,
        window=amount(window, "--window"),
        gpu=gpu,
        gpus=gpus,
        memory=None if memory is None else parse_memory(memory, "--memory"),
        weights=sizes[0],
        new_weights=sizes[-1],
        reserve=load.reserve_bytes,
        **wanted.settings_on(gpu),
    )
    output.write_one(found, lambda: diff_page(found), [found.old, found.new])
    for model in read:
        warn_past_maximum(model, [found.context])
    if not found.equal:
        raise typer.Exit(DIFFERENT)


def _parted(
    sides: list[str], engine: str | None, started: str | None
) -> tuple[list[str | None], list[str]]:
    """The models, one or two, and the engines, two or one.

    What is left out is that of the line, which starts the engine `started`: the first model, which
    is None then, and the old engine.

    Raises:
        RequestError: neither a model with two engines, nor two models with one.
    """
    words: list[str | None] = [*sides]
    match len(sides), engine, started:
        case 3, None, _:
            return words[:1], sides[1:]
        case 2, None, str():
            return [None], sides
        case 1, None, str():
            return [None], [started, _newest(sides[0])]
        case 2, str(), _:
            return words, [engine]
        case 1, str(), str():
            return [None, *words], [engine]
    words_found = "1 word" if len(sides) == 1 else f"{len(sides)} words"
    found = words_found + ("" if engine is None else f" and -e {engine}")
    raise RequestError.about(
        "diff", f"found {found}", found=sides, expected="MODEL OLD NEW, or MODEL MODEL -e ENGINE"
    )


def _newest(engine: str) -> str:
    """The newest release of an engine that is named without one: OLD's own is the line's."""
    name, release = engines.split_release(engine)
    return f"{name}@{engines.find(name).version}" if release is None else engine


def _read(source: str) -> Model:
    reading = readers.read(source)
    for note in reading.notes:
        note_on_stderr(note)
    return reading.model
