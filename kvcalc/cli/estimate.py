"""`kvcalc estimate`: one context."""

from typing import Annotated

import typer

from kvcalc.answers.estimate import estimate as answer
from kvcalc.cli.amounts import amount
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import EngineOptions, ModelOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.warnings import warn_past_maximum
from kvcalc.outputs.pages.estimate import estimate_page


@grouped
def estimate(
    model: ModelOptions,
    engine: EngineOptions,
    output: OutputOptions,
    context: Annotated[
        str | None,
        typer.Option("-c", "--context", "--max-model-len", help="Tokens of one sequence, as 256K."),
    ] = None,
    sequences: Annotated[
        str, typer.Option("-n", "--sequences", "--max-num-seqs", "--parallel")
    ] = "1",
    window: Annotated[
        str | None, typer.Option("-w", "--window", help="Sliding window, in tokens.")
    ] = None,
) -> None:
    """Cache memory at one context: the model's own maximum unless given.

    kvcalc estimate k-exaone-236b-a23b -c 256K -w 128
    """
    tokens = amount(window, "--window")
    chosen = model.load(tokens)
    found = answer(
        chosen,
        context=amount(context, "--context"),
        sequences=amount(sequences, "--sequences") or 1,
        window=tokens,
        engine=engine.engine,
        **engine.settings(),
    )
    output.write_one(found, lambda: estimate_page(found, context_is_maximum=context is None))
    warn_past_maximum(chosen, [found.context])
