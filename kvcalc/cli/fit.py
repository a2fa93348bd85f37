"""`kvcalc fit`: what fits on GPUs, for one question or a grid of them."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from kvcalc import engines
from kvcalc.answers.fit import Answer
from kvcalc.answers.fit.change import changes, holding_more, verdict
from kvcalc.answers.fit.fitted import Fit
from kvcalc.answers.fit.grid import Job, Place, RefusedFit, answered, solved
from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import question
from kvcalc.cli.amounts import amount, amounts
from kvcalc.cli.cards import CardOptions
from kvcalc.cli.context import ContextOptions
from kvcalc.cli.gpu import LoadOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.hits import HitOptions
from kvcalc.cli.options import EngineOptions, ModelOptions, ModelsOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.pictures import PICTURES, PictureOptions
from kvcalc.cli.server_line import ServerOptions
from kvcalc.cli.server_request import ServerRequest
from kvcalc.cli.warnings import note_on_stderr, warn_past_maximum
from kvcalc.engines import request
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.readers.weights import Weights

if TYPE_CHECKING:
    from kvcalc.charts.chart import Chart
    from kvcalc.engines.memory import Card
    from kvcalc.model import Model
    from kvcalc.outputs.page import Page

Row = Fit | RefusedFit

DOES_NOT_FIT = 1
LONG = 300
"""A progress bar is shown from this many rows."""

WORKBOOK = "xlsx"


class GridOptions(PictureOptions):
    """The format of an answer, a workbook and a picture too, and where it goes."""

    more: ClassVar[Mapping[str, str]] = {".xlsx": WORKBOOK, **PICTURES}


@grouped
def fit(
    models: ModelsOptions,
    on: CardOptions,
    load: LoadOptions,
    engine: EngineOptions,
    tokens: ContextOptions,
    hit: HitOptions,
    output: GridOptions,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "-c",
            "--context",
            "--max-model-len",
            help="Contexts, as 32K,128K, or @FILE: the tokens of a text; repeatable.",
        ),
    ] = None,
    sequences: Annotated[
        list[str] | None,
        typer.Option(
            "-n",
            "--sequences",
            "--parallel",
            help="Sequences at once, as 1,16; repeatable.",
        ),
    ] = None,
    window: Annotated[
        str | None, typer.Option("-w", "--window", help="Sliding window, in tokens.")
    ] = None,
) -> None:
    """Solve for the one not given: the sequences, the context or the number of GPUs.

    kvcalc fit k-exaone-236b-a23b --gpu h200 --gpus 4 -e vllm -c 256K

    kvcalc fit qwen3-235b-a22b --gpu h100,h200 --gpus 4,8 -e vllm -c 32K,128K -o grid.csv
    """
    prices = on.prices()
    asked = _started(models, on, engine, context, sequences)
    if models.model is None and asked.model.model is not None:
        models.model = [asked.model.model]
    counts: list[int | None] = [*amounts(sequences, "--sequences")]
    jobs: list[Job] = []
    slid = amount(window, "--window")
    for source, model in models.each(slid):
        lengths: list[int | None] = [*tokens.amounts(context, model, source)]
        lengths = lengths or [asked.context_of(model)]
        named = source if slid is None else None  # with another window it is no published model
        at_once = counts or [_slots(asked, model)]
        places = _places(model, source, named, on, load, asked)
        for place in places:
            gpus = hit.counts(place, on.counts())
            jobs += [Job(*job) for job in product([place], gpus, lengths or [None], at_once)]
        warn_past_maximum(model, [length for length in lengths if length])
    cells = [solved(jobs[0])] if len(jobs) == 1 else answered(_watched(jobs))
    rows = [_priced(cell, prices, on.spare) for cell in cells]
    if output.drew(lambda: _chart(rows)):
        pass
    elif output.output is not None and output.asked == WORKBOOK:
        _write_workbook(rows, prices, on.spare, output.output)
    elif (
        isinstance(answer := cells[0], Answer)
        and isinstance(row := rows[0], Fit)
        and len(rows) == 1
    ):
        _write_one(jobs[0], answer, row, output)
    else:
        output.write_rows(rows, lambda: _grid(rows))
    if not any(isinstance(row, Fit) and row.fits for row in rows):
        raise typer.Exit(DOES_NOT_FIT)


def _priced(cell: Answer | RefusedFit, prices: Mapping[str, Decimal], spare: int) -> Row:
    """A row of the answer, with what it costs where prices or spare GPUs are given."""
    if isinstance(cell, RefusedFit):
        return cell
    if not (prices or spare):
        return cell.fit
    from kvcalc.answers.fit.price import priced

    return priced(cell.fit, prices, spare)


def _started(
    models: ModelsOptions,
    on: CardOptions,
    engine: EngineOptions,
    context: list[str] | None,
    sequences: list[str] | None,
) -> ServerRequest:
    """The engine and its settings, of a server's line where one is given; options win.

    Of an engine that runs more at once where they fit, those of a line are its cap, and not what is
    asked about.
    """
    line = ServerOptions(from_line=on.from_line)
    named = models.model[0] if models.model else None
    asked = line.request(ModelOptions(model=named, **models.shape), engine, context, sequences)
    return asked._replace(settings=asked.settings_on())


def _slots(asked: ServerRequest, model: "Model") -> int | None:
    """The sequences of a line whose engine makes room for as many as it is told, and no more."""
    memory = engines.find(asked.engine).memory
    return asked.sequences_of(model) if memory is not None and memory.cap is None else None


def _places(
    model: "Model",
    source: str | None,
    named: str | None,
    on: CardOptions,
    load: LoadOptions,
    engine: ServerRequest,
) -> list[Place]:
    """Place a model on each kind of GPU, or say why it cannot be."""
    if on.gpu is not None and "gpu" in engine.settings:
        raise RequestError.about("--set", "gpu is given by its own option too; give one")
    reserve = load.reserve_bytes
    if on.log is not None and reserve is not None:
        raise RequestError.about("--log", "found beside --reserve or --optimistic; give one")
    name, version = request.release_of(engine.engine, engine.settings)
    found = []
    for card in on.cards():
        placing: Placing | KvcalcError
        try:
            placing = _placing(model, source, card, on, load, engine)
        except KvcalcError as error:
            placing = error
        found.append(Place(named, model.name, name, version, card.name, placing))
    return found


def _placing(
    model: "Model",
    source: str | None,
    card: "Card",
    on: CardOptions,
    load: LoadOptions,
    engine: ServerRequest,
) -> Placing:
    """Place a model on one kind of GPU.

    Raises:
        KvcalcError: it cannot be.
    """
    asked = question(
        model,
        on=card,
        engine=engine.engine,
        weights=Weights(0, "", "the log")
        if on.log
        else load.read_weights(source, model, engine.loading),
        reserve=load.reserve_bytes,
        **engine.settings,
    )
    if on.log is None:
        return Placing(asked)
    from kvcalc.answers.fit.from_log import with_log

    return Placing(with_log(asked, on.log))


def _watched(jobs: list[Job]) -> Iterable[Job]:
    """Go through the jobs; on a terminal, with a progress bar if there are many."""
    if len(jobs) < LONG or not (sys.stderr and sys.stderr.isatty()):
        return jobs
    from rich.console import Console
    from rich.progress import track

    return track(jobs, "fitting", console=Console(stderr=True), transient=True)


def _page(answer: Answer, row: Fit, near: list[str]) -> "Page":
    """Lay out one answer; what that needs is imported where a table is asked for."""
    from kvcalc.answers.fit.levers import giving_back
    from kvcalc.outputs.pages.fit import fit_page

    return fit_page(answer, row, near, holding_more(answer), giving_back(answer))


def _grid(rows: Sequence[Row]) -> "Page":
    from kvcalc.outputs.pages.fit import grid_page

    return grid_page(rows)


def _chart(rows: Sequence[Row]) -> "Chart":
    from kvcalc.answers.fit.drawn import grid_chart

    return rows[0].plot() if len(rows) == 1 and isinstance(rows[0], Fit) else grid_chart(rows)


def _write_workbook(
    rows: Sequence[Row], prices: Mapping[str, Decimal], spare: int, path: Path
) -> None:
    from kvcalc.outputs.workbook.fit_sheets import fit_sheets
    from kvcalc.outputs.workbook.writer import write_xlsx
    from kvcalc.scratch import replacing

    with replacing(path) as part:
        write_xlsx(part, fit_sheets(rows, prices, spare), {})


def _write_one(job: Job, answer: Answer, row: Fit, output: OutputOptions) -> None:
    """Write one answer; where no table says why it does not fit, stderr does."""
    assert isinstance(job.place.placing, Placing)
    near = changes(job.place.placing, answer)
    output.write_one(row, lambda: _page(answer, row, near))
    if not row.fits and not output.is_seen:
        hint = f"; what would fit: {', or '.join(near)}" if near else ""
        note_on_stderr(verdict(answer) + hint)
