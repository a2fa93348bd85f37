"""`kvcalc estimate`: one context."""

from typing import Annotated

import typer

from kvcalc.answers.estimate import estimate as answer
from kvcalc.cli.amounts import amount
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import EngineOptions, ModelOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.started import StartedOptions
from kvcalc.cli.warnings import warn_past_maximum
from kvcalc.outputs.pages.estimate import estimate_page


@grouped
def estimate(
    model: ModelOptions,
    engine: EngineOptions,
    started: StartedOptions,
    output: OutputOptions,
    context: Annotated[
        str | None,
        typer.Option("-c", "--context", "--max-model-len", help="Tokens of one sequence, as 256K."),
    ] = None,
    sequences: Annotated[
        str | None,
        typer.Option(
            "-n", "--sequences", "--max-num-seqs", "--parallel", help="At once.  [default: 1]"
        ),
    ] = None,
    window: Annotated[
        str | None, typer.Option("-w", "--window", help="Sliding window, in tokens.")
    ] = None,
) -> None:
    """Cache memory at one context: the model's own maximum unless given.

    kvcalc estimate k-exaone-236b-a23b -c 256K -w 128
    """
    asked = started.started(model, engine)
    tokens = amount(window, "--window")
    chosen = asked.model.load(tokens)
    length = amount(context, "--context") or asked.context
    found = answer(
        chosen,
        context=length,
        sequences=amount(sequences, "--sequences") or asked.sequences or 1,
        window=tokens,
        engine=asked.engine,
        **asked.settings,
    )
    output.write_one(found, lambda: estimate_page(found, context_is_maximum=length is None))
    warn_past_maximum(chosen, [found.context])
