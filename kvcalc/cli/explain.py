"""`kvcalc explain`: how an engine arrives at its bytes."""

from typing import Annotated

import typer

from kvcalc.answers.explain import explain as answer
from kvcalc.cli.amounts import amount
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import EngineOptions, ModelOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_line import ServerOptions
from kvcalc.cli.warnings import warn_past_maximum
from kvcalc.outputs.pages.explain import explain_page


@grouped
def explain(
    model: ModelOptions,
    engine: EngineOptions,
    server: ServerOptions,
    output: OutputOptions,
    context: Annotated[
        str | None,
        typer.Option(
            "-c", "--context", "--max-model-len", help="Context of one sequence, as 256K tokens."
        ),
    ] = None,
    sequences: Annotated[
        str | None,
        typer.Option(
            "-n",
            "--sequences",
            "--parallel",
            help="Sequences at once.  [default: 1]",
        ),
    ] = None,
    window: Annotated[
        str | None, typer.Option("-w", "--window", help="Sliding window, in tokens.")
    ] = None,
) -> None:
    """Show how an engine arrives at its bytes, and the setting that would change them most.

    kvcalc explain k-exaone-236b-a23b -e vllm -c 256K

    kvcalc explain gpt-oss-120b -e sglang --page-size 64
    """
    wanted = server.request(model, engine, context, sequences)
    tokens = amount(window, "--window")
    chosen = wanted.model.load(tokens)
    found = answer(
        chosen,
        context=amount(context, "--context") or wanted.context_of(chosen),
        sequences=amount(sequences, "--sequences") or wanted.sequences_of(chosen) or 1,
        window=tokens,
        engine=wanted.engine,
        **wanted.settings,
    )
    output.write_one(found, lambda: explain_page(found), rows=found.rows)
    warn_past_maximum(chosen, [found.quantities["context"]])
