"""`kvcalc trace`: the peak cache memory over traces of requests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from kvcalc import engines
from kvcalc.answers.traces import trace as answer
from kvcalc.answers.traces.row import TraceRowOnGpus
from kvcalc.cli.amounts import amounts
from kvcalc.cli.completion import among, dialects, gpus, models
from kvcalc.cli.gpu import LoadOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import GPU, ModelOptions, SettingsOptions, items
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.pairs import named
from kvcalc.cli.pictures import PICTURES, PictureOptions
from kvcalc.cli.progress import working
from kvcalc.cli.server_line import LineOptions
from kvcalc.cli.stderr import tell
from kvcalc.cli.traced import model_and_files
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError, first_line
from kvcalc.outputs.pages.trace import trace_page
from kvcalc.outputs.write import refuse_to_overwrite
from kvcalc.units import parse_memory, parse_number

SOME_ROWS_WERE_BAD = 1
DOES_NOT_FIT = 1


STATEMENT = "sql"


class TraceOptions(PictureOptions):
    """The format of an answer, its query and its picture too, and where it goes."""

    more: ClassVar[Mapping[str, str]] = {".sql": STATEMENT, **PICTURES}


@grouped
def trace(
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
    output: TraceOptions,
    load: LoadOptions,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Traces, or globs of them: CSV, JSONL (gzip too) or Parquet."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            "-e",
            "--engine",
            help="Engines, as vllm,ideal; repeatable.",
            autocompletion=among(lambda: engines.ENGINES),
        ),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option("-w", "--window", help="Sliding windows, as 4096,128; repeatable."),
    ] = None,
    prefill_rate: Annotated[
        str | None, typer.Option(help="Prompt tokens per second, for traces without end times.")
    ] = None,
    decode_rate: Annotated[
        str | None, typer.Option(help="Output tokens per second, for traces without end times.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUESTION=NAME",
            help="Name of a column in the trace, as start=arrived_at; repeatable.",
        ),
    ] = None,
    time_unit: Annotated[
        str | None, typer.Option(help="Unit of the trace's times: s, ms or us.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Leave out the time before this second of the trace.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Leave out the time after this second of the trace.")
    ] = None,
    prefix: Annotated[
        bool, typer.Option("--prefix", help="Count a block that prompts share once.")
    ] = False,
    memory: Annotated[
        str | None, typer.Option(help="Admit requests while the cache fits, as 320GiB.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu", help=f"{GPU} Rows count the GPUs that the peak needs.", autocompletion=gpus
        ),
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(help="Number of GPUs: do they hold the peak?  [default: any]")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip bad rows, count them and exit with 1.")
    ] = False,
    timeline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the memory over time, as CSV.")
    ] = None,
    print_sql: Annotated[
        bool, typer.Option("--print-sql", help="Print the SQL query, over trace(t0, t1, tokens).")
    ] = False,
    dialect: Annotated[
        str,
        typer.Option(
            help="SQL dialect of --print-sql, as for kvcalc formula.", autocompletion=dialects
        ),
    ] = "duckdb",
) -> None:
    """Find the peak cache memory over traces of requests, per engine and window.

    kvcalc trace k-exaone-236b-a23b trace.csv -w 4096,128 --prefill-rate 8000 --decode-rate 40

    kvcalc trace llama-3.1-8b 'traces/*.parquet' -e vllm --gpu h200 --gpus 4
    """
    if timeline is not None:
        refuse_to_overwrite(timeline, output.force)
    names = items(engine) or ["ideal"]
    windows = amounts(window, "--window") or None
    wanted = line.asked(ModelOptions(), settings, names, gpu=gpu)
    asked, names = wanted.settings_on(gpu), list(wanted.engines)
    model, traces = model_and_files([model, *(files or ())], wanted.model.model)
    chosen = ModelOptions(model).load(None)
    option = load.given or (None if gpus is None else "--gpus")
    if "gpu" not in asked and option is not None:
        raise RequestError.about(option, "found without --gpu")
    if print_sql or output.asked == STATEMENT:
        _print_sql(chosen, names, windows, dialect, asked, output)
        return
    weights = load.read_weights(model, chosen, wanted.loading) if "gpu" in asked else None
    with working("summing the trace"):
        found = answer(
            chosen,
            traces,
            engine=names,
            window=windows,
            prefill_rate=prefill_rate,
            decode_rate=decode_rate,
            columns=named(column or (), "--column", "question=name"),
            time_unit=time_unit,
            since=_microseconds(since, "--since"),
            until=_microseconds(until, "--until"),
            prefix=prefix,
            memory=None if memory is None else parse_memory(memory, "--memory"),
            gpus=gpus,
            weights=weights,
            reserve=load.reserve_bytes,
            skip_bad=skip_bad,
            **asked,
        )
    with nullcontext() if timeline is None else _timeline(found, timeline):
        if not output.drew(found.plot):
            output.write_rows(found.rows, lambda: trace_page(found))
    if found.admission is not None and output.json:
        note_on_stderr(
            ", ".join(
                f"{name} {value:,}"
                for name, value in asdict(found.admission).items()
                if isinstance(value, int)
            )
        )
    if found.bad_rows:
        tell(f"{found.bad_rows:,} bad rows were skipped")
        raise typer.Exit(SOME_ROWS_WERE_BAD)
    held = any(isinstance(row, TraceRowOnGpus) and row.gpus for row in found.rows)
    if gpus is not None and not held:
        raise typer.Exit(DOES_NOT_FIT)


def _microseconds(text: str | None, option: str) -> int | None:
    """Read seconds, counted from the first start, with decimals."""
    if text is None:
        return None
    seconds = parse_number(text)
    found = None if seconds is None else seconds * 1_000_000
    if found is None or found.denominator > 1 or not 0 <= found <= 10**18:
        raise RequestError.of(option, text, "seconds, as 3600")
    return int(found)


@contextmanager
def _timeline(found: Any, path: Path) -> Iterator[None]:
    """Write the levels, and put the file in its place after the answer was printed."""
    from duckdb import Error

    from kvcalc.scratch import replacing

    with replacing(path) as part:
        try:
            found.timeline().write_csv(str(part))
        except Error as error:
            raise OSError(first_line(error)) from None
        yield


def _print_sql(
    model: Any,
    names: list[str],
    windows: list[int] | None,
    dialect: str,
    settings: dict[str, Any],
    output: OutputOptions,
) -> None:
    from kvcalc.answers.fit.card import card
    from kvcalc.answers.traces.request_bytes import request_bytes
    from kvcalc.answers.traces.rules import rules_of
    from kvcalc.answers.traces.statement import statement
    from kvcalc.formula.languages.sql import dialect_of
    from kvcalc.outputs.write import write

    dialect = dialect_of(dialect)
    gpu = settings.pop("gpu", None)
    chosen = rules_of(model, names, windows, settings, card(gpu) if gpu else None)
    sums = [rule for rule in chosen if rule.request is not None and rule.of == "tokens"]
    if not sums:
        raise RequestError.about(
            "--print-sql", "this engine's cache is a pool, not a sum over a trace"
        )
    text = statement([request_bytes(rule, dialect=dialect) for rule in sums], dialect=dialect)
    for place, rule in enumerate(sums):
        fixed = f", and {rule.fixed:,} bytes once" if rule.fixed else ""
        note_on_stderr(
            f"rule {place}: {rule.cost.engine}, window {rule.cost.model.window}, {rule.name}{fixed}"
        )
    write(f"{text}\n", output.output)
