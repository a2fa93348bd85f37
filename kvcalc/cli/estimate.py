"""`kvcalc estimate`: one context."""

from typing import TYPE_CHECKING, Annotated

import typer

from kvcalc import readers
from kvcalc.answers.estimate import estimate_of
from kvcalc.cli.amounts import amount
from kvcalc.cli.context import ContextOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import EngineOptions, ModelOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_line import ServerOptions
from kvcalc.cli.warnings import note_on_stderr, warn_past_maximum
from kvcalc.engines import request
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.units import format_bytes

if TYPE_CHECKING:
    from kvcalc.answers.estimate import Estimate
    from kvcalc.engines.server import Beside
    from kvcalc.model import Model
    from kvcalc.outputs.page import Page


@grouped
def estimate(
    model: ModelOptions,
    engine: EngineOptions,
    server: ServerOptions,
    counted: ContextOptions,
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
    """Cache memory at one context; by default, the model's longest.

    kvcalc estimate k-exaone-236b-a23b -c 256K -w 128
    """
    wanted = server.request(model, engine, context, sequences)
    tokens = amount(window, "--window")
    chosen = wanted.model.load(tokens)
    given = counted.amounts([context], chosen, wanted.model.model) if context else []
    if len(given) > 1:
        raise RequestError.of("--context", context, "one; see kvcalc sweep")
    length = given[0] if given else wanted.context_of(chosen)
    if tokens is not None:
        chosen = chosen.with_window(tokens)
    at_once = amount(sequences, "--sequences") or wanted.sequences or 1
    cost = request.cost(chosen, wanted.engine, **wanted.settings)
    found = estimate_of(cost, length or chosen.longest_context, at_once)

    def page() -> "Page":
        from kvcalc.outputs.pages.estimate import estimate_page

        return estimate_page(found, context_is_maximum=length is None)

    output.write_one(found, page)
    if cost.note:
        note_on_stderr(cost.note)
    for one in wanted.beside:
        _note_beside(one, chosen, wanted.engine, found)
    warn_past_maximum(chosen, [found.context])


def _note_beside(one: "Beside", model: "Model", engine: str, found: "Estimate") -> None:
    """Say what a cache beside the model's own takes, or that it is not counted."""
    try:
        of = model if one.model is None else readers.load(one.model)
        more = request.cost(of, engine, **one.settings)(found.context, sequences=found.sequences)
    except KvcalcError:
        note_on_stderr(f"{one.what} is not counted: kvcalc does not know its shape")
        return
    note_on_stderr(
        f"{one.what} takes {format_bytes(more)} on top: {format_bytes(found.bytes + more)} in all"
    )
