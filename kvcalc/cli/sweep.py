"""`kvcalc sweep`: contexts by windows."""

from typing import TYPE_CHECKING, Annotated

import typer

from kvcalc.answers.sweep import sweep as answer
from kvcalc.cli.amounts import amount, amounts
from kvcalc.cli.context import ContextOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import EngineOptions, ModelOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_line import ServerOptions
from kvcalc.cli.warnings import warn_past_maximum

if TYPE_CHECKING:
    from kvcalc.outputs.page import Page


@grouped
def sweep(
    model: ModelOptions,
    engine: EngineOptions,
    server: ServerOptions,
    counted: ContextOptions,
    output: OutputOptions,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "-c", "--context", "--max-model-len", help="Contexts: 8K,32K or 8K..256K; repeatable."
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
        list[str] | None,
        typer.Option("-w", "--window", help="Sliding windows, as 4096,128; repeatable."),
    ] = None,
) -> None:
    """Cache memory for each context and window; by default, the model's own.

    kvcalc sweep k-exaone-236b-a23b -c 8K,256K -w 4096,128
    """
    windows = amounts(window, "--window")
    wanted = server.request(model, engine, context, sequences)
    chosen = wanted.model.load(windows[0] if windows else None)
    rows = answer(
        chosen,
        context=counted.amounts(context, chosen, wanted.model.model) or wanted.context_of(chosen),
        window=windows or None,
        sequences=amount(sequences, "--sequences") or wanted.sequences or 1,
        engine=wanted.engine,
        **wanted.settings,
    )

    def page() -> "Page":
        from kvcalc.outputs.pages.sweep import sweep_page

        return sweep_page(rows)

    output.write_rows(rows, page)
    warn_past_maximum(chosen, [row.context for row in rows])
