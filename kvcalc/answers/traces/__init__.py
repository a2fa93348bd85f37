"""Real traffic: the peak cache over a request trace, by engine, window and rule."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvcalc.answers.fit.card import card
from kvcalc.answers.traces.admission import Admission, admitted
from kvcalc.answers.traces.gpus import Gpus
from kvcalc.answers.traces.levels import Trim
from kvcalc.answers.traces.prefix import Hits, hits_beside_windows, share
from kvcalc.answers.traces.request_bytes import RequestBytes, request_bytes
from kvcalc.answers.traces.row import TraceRow
from kvcalc.answers.traces.rules import POOL, Rule, rule_of, rules_of
from kvcalc.answers.traces.statement import timeline
from kvcalc.answers.traces.sums import Sums
from kvcalc.costs import Cost
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import RequestError
from kvcalc.model import Model
from kvcalc.readers.traces.service import Service, number, service
from kvcalc.readers.traces.table import Loaded, connect, load
from kvcalc.readers.weights import Weights
from kvcalc.records import Records
from kvcalc.units import plural

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

    from kvcalc.charts.chart import Chart

ONE = RequestBytes("1")
"""One per request, so that the sum counts the requests."""


@dataclass(frozen=True)
class Traced:
    """A trace's answers: `rows`, the number of bad rows skipped, and what else was asked for.

    `timeline()` gives the levels as a DuckDB relation: t in microseconds, sequences, and the bytes
    of each row in a column named after its engine, window and rule. Rows for a pool have no level
    and are left out. `gpus` is the number of GPUs that was given, and `weights` are the model's, as
    the count of GPUs took them.
    """

    rows: tuple[TraceRow, ...]
    bad_rows: int
    hits: Hits | None
    admission: Admission | None
    gpus: int | None
    weights: Weights | None
    timeline: Callable[[], "DuckDBPyRelation"] = field(repr=False, compare=False)

    def plot(self) -> "Chart":
        """Draw the bytes over time, with their peaks, percentiles and the memory asked about.

        Raises:
            RequestError: every row is of a pool, which has no level.
        """
        from kvcalc.answers.traces.drawn import histories
        from kvcalc.charts.over_time import chart

        first = self.rows[0]
        levels = self.timeline()
        rows = [row for row in self.rows if row.rule != POOL]
        if not rows:
            raise RequestError.about("plot", "a pool has no level over time")
        drawn = histories(levels, dict(zip(levels.columns[2:], rows, strict=True)))
        title = f"KV cache of {first.model} over {plural(first.requests, 'request')}"
        memory = None if self.admission is None else self.admission.memory
        return chart(title, drawn, memory)

    def _repr_html_(self) -> str:
        return Records(self.rows)._repr_html_()


def trace(
    model: Model | Cost,
    files: str | Path | Iterable[str | Path],
    *,
    engine: str | Sequence[str] = "ideal",
    window: int | Sequence[int] | None = None,
    prefill_rate: object = None,
    decode_rate: object = None,
    columns: Mapping[str, str] | None = None,
    time_unit: str | None = None,
    since: int | None = None,
    until: int | None = None,
    prefix: bool = False,
    memory: int | None = None,
    gpu: str | None = None,
    gpus: int | None = None,
    weights: Weights | int | None = None,
    reserve: int | None = None,
    skip_bad: bool = False,
    settings: Settings | None = None,
    **given: Any,
) -> Traced:
    """Sum a model's cache over the requests of traces: CSV, JSONL (gzip too) or Parquet files.

    A Cost instead of a model is summed as it is. Rates are in tokens per second, for traces that do
    not say how long a request took; `columns` maps questions (start, input, output, duration,
    end) to names of columns; `since` and `until` trim the trace, in microseconds from the first
    start; `memory` is the bytes into which requests are admitted, first come, first served, by the
    rule of the first row. With a `gpu`, the engines' defaults depend on it, and each row says how
    many such GPUs, or whether so many `gpus`, hold its peak beside the `weights` (bytes in all; by
    default counted from the model's parameters) and the `reserve`, in bytes per GPU, as `fit`
    counts them. Settings are given as to `kvcalc.cost`.

    Raises:
        KvcalcError: a file, a row, an engine or a setting is not valid; the sentence names it.
    """
    if since is not None and until is not None and since >= until:
        raise RequestError.about(
            "until",
            f"found {until:,} microseconds",
            found=until,
            expected=f"more than since's {since:,}",
        )
    rates = service(prefill_rate, decode_rate)
    asked = request.named(settings, given)
    on = None if gpu is None else card(gpu)
    if isinstance(model, Cost):
        if on is not None:
            raise RequestError.about(
                "gpu", "found beside a Cost", found=gpu, expected="beside a Model"
            )
        chosen = [rule_of(model)]
    else:
        chosen = list(rules_of(model, engine, window, asked, on))
    if on is None and gpus is not None:
        raise RequestError.about("gpus", "found without a gpu")
    placed = None if on is None else Gpus(chosen, on, gpus, weights, reserve, asked)
    files = _listed(files)
    base = connect()
    loaded = load(
        base,
        files,
        service=rates,
        columns=columns,
        time_unit=time_unit,
        skip_bad=skip_bad,
        with_blocks=prefix,
    )
    hits = share(base, loaded.block_tokens) if prefix else None
    if hits is not None:
        windowed = hits_beside_windows(chosen, files, asked)
        hits = replace(hits, windowed=windowed)
    sums = Sums(base, prefix, Trim(since, until), loaded.requests)
    rows = _rows(sums, chosen, loaded, rates if loaded.modelled else None)
    if placed is not None:
        rows = [placed.counted(rule, row, sums) for rule, row in zip(chosen, rows, strict=True)]
    levels = {
        _column(rule): request_bytes(rule, shared=prefix)
        for rule in chosen
        if rule.request is not None
    }
    query = timeline({"sequences": ONE, **levels}, shared=prefix, trim=sums.trim)
    return Traced(
        rows=tuple(rows),
        bad_rows=loaded.bad_rows,
        hits=hits,
        admission=None if memory is None else admitted(base, chosen[0], memory),
        gpus=gpus,
        weights=None if placed is None else placed.weights,
        timeline=lambda: base.sql(query),
    )


def _listed(files: str | Path | Iterable[str | Path]) -> tuple[str | Path, ...]:
    return (files,) if isinstance(files, str | Path) else tuple(files)


def _column(rule: Rule) -> str:
    parts = (rule.engine, rule.cost.model.window, rule.name)
    return " ".join(str(part) for part in parts if part is not None)


def _rows(
    sums: Sums, chosen: Sequence[Rule], loaded: Loaded, rates: Service | None
) -> list[TraceRow]:
    """Sum by each rule; a pool holds the most sequences at once, each as long as the longest."""
    sizes = [request_bytes(rule, shared=sums.prefix) for rule in chosen if rule.request is not None]
    if len(sizes) < len(chosen):
        sizes.append(ONE)
    found = sums.of(sizes)
    longest = sums.longest()
    amounts = iter(found)
    rows = []
    for rule in chosen:
        if rule.request is None:
            most = found[-1][0]
            size = rule.cost(longest, sequences=most) if most and longest else 0
            answer = (size, 0, most, *[size] * 4)
        else:
            peak, at, sequences, *others = next(amounts)
            answer = (peak + rule.fixed, at, sequences, *(one + rule.fixed for one in others))
        rows.append(_row(rule, answer, loaded, rates, sums.prefix))
    return rows


def _row(
    rule: Rule,
    amounts: Sequence[int],
    loaded: Loaded,
    rates: Service | None,
    prefix: bool,
) -> TraceRow:
    peak, at, sequences, p50, p95, p99, mean = amounts
    shared = prefix and rule.request is not None
    return TraceRow(
        model=rule.cost.model.name,
        engine=rule.cost.engine,
        engine_version=rule.cost.engine_version,
        window=rule.cost.model.window,
        rule=f"{rule.name}, prefixes shared" if shared else rule.name,
        peak_bytes=peak,
        peak_at=at,
        peak_sequences=sequences,
        p50_bytes=p50,
        p95_bytes=p95,
        p99_bytes=p99,
        mean_bytes=mean,
        requests=loaded.requests,
        requests_without_life=loaded.without_life,
        prefill_rate=None if rates is None else number(rates.prefill_rate),
        decode_rate=None if rates is None else number(rates.decode_rate),
    )
