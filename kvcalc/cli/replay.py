"""`kvcalc replay`: a trace through an engine's prefix cache."""

from typing import Annotated

import typer

from kvcalc import engines
from kvcalc.answers.replay import replay as answer
from kvcalc.cli.amounts import amounts
from kvcalc.cli.completion import among, models
from kvcalc.cli.completion import gpus as gpu_names
from kvcalc.cli.gpu import LoadOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import GPU, ModelOptions, SettingsOptions
from kvcalc.cli.pictures import PictureOptions
from kvcalc.cli.progress import working
from kvcalc.cli.server_line import LineOptions
from kvcalc.cli.traced import model_and_files
from kvcalc.errors import RequestError
from kvcalc.outputs.pages.replay import replay_page
from kvcalc.readers.tokens import of_model
from kvcalc.units import parse_memory

USUAL, AS_THE_LINE = "vllm", "ideal"
"""The engine that is not asked for: beside a line, which starts its own, `ideal` stands for it."""


@grouped
def replay(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A preset's name, a file, a folder or a Hub id; none beside --from.",
            autocompletion=models,
            show_default=False,
        ),
    ] = None,
    *,
    settings: SettingsOptions,
    line: LineOptions,
    output: PictureOptions,
    load: LoadOptions,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Traces, or globs of them: a line of JSON per request."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "-e",
            "--engine",
            help="The engine whose prefix cache it is.  [default: vllm]",
            autocompletion=among(lambda: engines.ENGINES),
        ),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option("-w", "--window", help="Sliding windows, as 4096,128; repeatable."),
    ] = None,
    memory: Annotated[
        list[str] | None,
        typer.Option(help="Memory of the cache on a rank, as 40GiB,80GiB; repeatable."),
    ] = None,
    blocks: Annotated[
        list[str] | None,
        typer.Option(help="Blocks of the cache (num_gpu_blocks), as 16K,32K; repeatable."),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            help=f"{GPU} The cache is what a start leaves on it.",
            autocompletion=gpu_names,
        ),
    ] = None,
    gpus: Annotated[
        list[str] | None, typer.Option(help="GPUs of one copy of the model, as 2,4; repeatable.")
    ] = None,
    prompts_only: Annotated[
        bool, typer.Option("--prompts-only", help="Leave the answers out of the cache.")
    ] = False,
    prefill_rate: Annotated[
        str | None,
        typer.Option(help="Prompt tokens per second: requests hold their blocks meanwhile."),
    ] = None,
    decode_rate: Annotated[
        str | None, typer.Option(help="Output tokens per second, beside --prefill-rate.")
    ] = None,
    best: Annotated[
        bool,
        typer.Option("--best", help="What the best policy of eviction could hit, too (Belady)."),
    ] = False,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="What reads texts: a tokenizer.json, a folder or a Hub id.  [default: the model's]"
        ),
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="A row per request, with -f csv.")] = False,
) -> None:
    """Find what a prefix cache hits of a trace, exactly as the engine's own manager does.

    kvcalc replay k-exaone-236b-a23b trace.jsonl -w 4096,128 --memory 40GiB,80GiB

    kvcalc replay llama-3.1-8b trace.jsonl --gpu h100 --gpus 1
    """
    if gpu is None and (option := load.given or ("--gpus" if gpus else None)) is not None:
        raise RequestError.about(option, "found without --gpu")
    own = USUAL if line.from_line is None else AS_THE_LINE
    wanted = line.asked(ModelOptions(), settings, [engine or own])
    model, traces = model_and_files([model, *(files or ())], wanted.model.model)
    chosen = ModelOptions(model).load(None)
    sizes = [text for texts in memory or () for text in texts.split(",")]
    with working("replaying the trace"):
        found = answer(
            chosen,
            traces,
            engine=wanted.engine,
            window=amounts(window, "--window") or None,
            memory=[parse_memory(text, "--memory") for text in sizes] or None,
            blocks=amounts(blocks, "--blocks") or None,
            gpu=gpu,
            gpus=amounts(gpus, "--gpus") or 1,
            prompts_only=prompts_only,
            best=best,
            tokenizer=tokenizer or of_model(model),
            prefill_rate=prefill_rate,
            decode_rate=decode_rate,
            weights=load.read_weights(model, chosen, wanted.loading) if gpu is not None else None,
            reserve=load.reserve_bytes,
            **wanted.settings_on(gpu),
        )
    if output.drew(found.plot):
        return
    if each:
        output.write_rows(found.each, lambda: replay_page(found))
    else:
        output.write_rows(found.rows, lambda: replay_page(found), whole=True)
