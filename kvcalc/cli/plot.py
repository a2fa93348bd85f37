"""`kvcalc plot`: bytes against context, as a picture or drawn in the terminal."""

from typing import TYPE_CHECKING, Annotated

import typer

from kvcalc.answers.plot import plot as answer
from kvcalc.charts.sampling import POINTS
from kvcalc.cli.amounts import amounts
from kvcalc.cli.completion import gpus
from kvcalc.cli.gpu import LoadOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import GPU, AxesOptions, ModelsOptions
from kvcalc.cli.output import Format
from kvcalc.cli.pictures import PictureOptions
from kvcalc.cli.server_line import LineOptions
from kvcalc.cli.warnings import warn_past_maximum
from kvcalc.errors import RequestError
from kvcalc.outputs.write import write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kvcalc.answers.plotted import Plot
    from kvcalc.engines.server.loading import Loading
    from kvcalc.model import Model
    from kvcalc.readers.weights import Weights


@grouped
def plot(
    models: ModelsOptions,
    axes: AxesOptions,
    line: LineOptions,
    load: LoadOptions,
    output: PictureOptions,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "-c",
            "--context",
            "--max-model-len",
            help="From and to, as 1K..256K.  [default: 1K to the model's maximum]",
        ),
    ] = None,
    sequences: Annotated[
        list[str] | None,
        typer.Option(
            "-n",
            "--sequences",
            "--parallel",
            help="Sequences at once, as 1,16; repeatable.  [default: 1]",
        ),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option("-w", "--window", help="Sliding windows, as 4096,128; repeatable."),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", help=f"{GPU} Curves end where its memory does.", autocompletion=gpus),
    ] = None,
    gpus: Annotated[int | None, typer.Option(help="Number of GPUs.  [default: 1]")] = None,
    linear: Annotated[
        bool, typer.Option("--linear", help="Linear axes, instead of logarithmic ones.")
    ] = False,
    points: Annotated[int, typer.Option(help="Points of a curve.")] = POINTS,
) -> None:
    """Draw memory against context: a curve for each model, engine, window or setting.

    kvcalc plot k-exaone-236b-a23b -e ideal,vllm,sglang -w 4096,128 -o k-exaone.vl.json

    kvcalc plot llama-3.1-8b -e vllm -n 1,5,20 --gpu h100 --linear
    """
    if gpu is None and (option := load.given or (None if gpus is None else "--gpus")):
        raise RequestError.about(option, "found without --gpu")
    wanted = line.of_models(models, axes, context, sequences)
    loaded = [*models.each(None)]
    found = answer(
        [model for _, model in loaded],
        context=amounts(context, "--context", large=True) or wanted.context_of(loaded[0][1]),
        window=amounts(window, "--window") or None,
        sequences=amounts(sequences, "--sequences") or wanted.sequences_of(loaded[0][1]) or 1,
        engine=wanted.engines,
        gpu=gpu,
        gpus=gpus,
        weights=None if gpu is None else _weights(load, loaded, wanted.loading),
        reserve=load.reserve_bytes if gpu is not None else None,
        linear=linear,
        points=points,
        **wanted.settings_on(gpu),
    )
    for _, model in loaded:
        warn_past_maximum(model, [one.contexts[-1] for one in found.curves])
    _write(found, output)


def _weights(
    load: LoadOptions,
    loaded: "list[tuple[str | None, Model]]",
    loading: "Iterable[Loading]",
) -> "Weights | None":
    """The bytes of one model's weights; several have each their own, by their parameters."""
    if len(loaded) > 1:
        given = load.weights or load.weights_dtype
        if given is not None:
            raise RequestError.about("--weights", "found beside several models")
        for _, model in loaded:
            load.require_counted(model, loading)
        return None
    return load.read_weights(*loaded[0], loading)


def _write(found: "Plot", output: PictureOptions) -> None:
    if output.drew(found.plot):
        return
    if output.asked == Format.TABLE:
        from kvcalc.outputs.plot import terminal

        drawn = terminal.draw(found.lines, terminal.PIPE) if output.output else None
        write(drawn or terminal.draw_for_stdout(found.lines), output.output)
        return
    from kvcalc.outputs.plot.points import plot_page, points

    output.write_one(found, lambda: plot_page(found), points(found))
