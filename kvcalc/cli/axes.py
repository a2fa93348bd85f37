"""Tables of several models, engines, element types, ranks, sequences, contexts and windows."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kvcalc.answers.axes import RefusedWarning
from kvcalc.answers.sweep import SweepRow
from kvcalc.answers.sweep import sweep as answer
from kvcalc.cli.amounts import amounts
from kvcalc.cli.context import ContextOptions
from kvcalc.cli.options import ModelsOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_request import ServerRequest
from kvcalc.cli.warnings import warn_past_maximum
from kvcalc.errors import KvcalcError
from kvcalc.model import Model
from kvcalc.warned import warn

if TYPE_CHECKING:
    from kvcalc.outputs.page import Page


def table(
    models: ModelsOptions,
    wanted: ServerRequest,
    counted: ContextOptions,
    context: list[str] | None,
    sequences: list[str] | None,
    windows: Sequence[int],
    usual: Callable[[Model], dict[str, Any]],
) -> list[SweepRow]:
    """Answer every combination; `usual` are a model's context and window where none is asked for.

    Raises:
        KvcalcError: nothing has an answer; else what is refused is left out, with a warning.
    """
    rows: list[SweepRow] = []
    refused: list[tuple[str, KvcalcError]] = []
    for source, model in models.each(windows[0] if windows else None, keep=True):
        try:
            lengths = counted.amounts(context, model, source)
            found = answer(
                model,
                **usual(model)
                | given(context=lengths or wanted.context_of(model), window=list(windows))
                | wanted.settings,
                sequences=amounts(sequences, "--sequences") or wanted.sequences_of(model) or 1,
                engine=wanted.engines,
            )
        except KvcalcError as error:
            refused.append((model.name, error))
            continue
        rows += found
        warn_past_maximum(model, [row.context for row in found])
    if not rows:
        raise refused[0][1]
    for name, why in refused:
        warn(f"{name}: {why}", RefusedWarning)
    return rows


def given(**asked: Any) -> dict[str, Any]:
    """What is given of what may be."""
    return {name: value for name, value in asked.items() if value}


def write(rows: Sequence[SweepRow], output: OutputOptions) -> None:
    """Write the rows of a table."""

    def page() -> "Page":
        from kvcalc.outputs.pages.sweep import sweep_page

        return sweep_page(rows)

    output.write_rows(rows, page)
