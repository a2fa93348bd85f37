"""`kvcalc estimate`: one context."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from kvcalc import readers
from kvcalc.answers.estimate import estimate_of
from kvcalc.cli.amounts import amounts
from kvcalc.cli.context import ContextOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import AxesOptions, ModelsOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_line import ServerOptions
from kvcalc.cli.warnings import note_on_stderr, warn_past_maximum
from kvcalc.engines import request
from kvcalc.errors import KvcalcError
from kvcalc.units import format_bytes

if TYPE_CHECKING:
    from kvcalc.answers.estimate import Estimate
    from kvcalc.engines.server.asked import Beside
    from kvcalc.model import Model
    from kvcalc.outputs.page import Page


class CountingOptions(ServerOptions):
    """A server's options, of which a draft's cache is counted, too."""

    counts_beside: ClassVar[bool] = True


@grouped
def estimate(
    models: ModelsOptions,
    axes: AxesOptions,
    server: CountingOptions,
    counted: ContextOptions,
    output: OutputOptions,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "-c", "--context", "--max-model-len", help="Context of one sequence, as 256K tokens."
        ),
    ] = None,
    sequences: Annotated[
        list[str] | None,
        typer.Option(
            "-n",
            "--sequences",
            "--parallel",
            help="Sequences at once.  [default: 1]",
        ),
    ] = None,
    window: Annotated[
        list[str] | None, typer.Option("-w", "--window", help="Sliding window, in tokens.")
    ] = None,
) -> None:
    """Cache memory at one context; by default, the model's longest. Lists make a table.

    kvcalc estimate k-exaone-236b-a23b -c 256K -w 128

    kvcalc estimate qwen3-32b -e llama.cpp -ctk q8_0 -ctv q8_0 -c 32K
    """
    wanted = server.of_several(models, axes, context, sequences)
    windows = amounts(window, "--window")
    at_once = amounts(sequences, "--sequences")
    sizes = [len(models.model or ()), len(windows), len(at_once), *axes.sizes]
    if max(sizes) > 1 or _several(context):
        from kvcalc.cli.axes import table, write

        wanted.say_beside()
        rows = table(models, wanted, counted, context, sequences, windows, usual=_usual)
        write(rows, output)
        return
    tokens = windows[0] if windows else None
    chosen = wanted.model.load(tokens)
    given = counted.amounts(context, chosen, wanted.model.model)
    length = given[0] if given else wanted.context_of(chosen)
    if tokens is not None:
        chosen = chosen.with_window(tokens)
    cost = request.cost(chosen, wanted.engine, **wanted.settings)
    sequences_at_once = at_once[0] if at_once else wanted.sequences_of(chosen) or 1
    found = estimate_of(cost, length or chosen.longest_context, sequences_at_once)

    def page() -> "Page":
        from kvcalc.outputs.pages.estimate import estimate_page

        return estimate_page(found, context_is_maximum=length is None)

    output.write_one(found, page)
    if cost.note:
        note_on_stderr(cost.note)
    for one in wanted.beside:
        _note_beside(one, chosen, wanted.engine, found)
    warn_past_maximum(chosen, [found.context])


def _usual(model: "Model") -> dict[str, Any]:
    """Where nothing is asked for: the model's longest context, and its own window, if one."""
    window = {} if model.window is None else {"window": model.window}
    return {"context": model.longest_context, **window}


def _several(context: list[str] | None) -> bool:
    texts = context or []
    listed = [text for text in texts if not text.startswith("@")]
    return len(texts) > 1 or len(amounts(listed, "--context", large=True)) > 1


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
