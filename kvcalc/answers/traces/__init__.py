"""Real traffic: the peak cache over a request trace, by engine, window and rule."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvcalc.answers.traces.admission import Admission, admit
from kvcalc.answers.traces.levels import Trim
from kvcalc.answers.traces.prefix import Hits, share
from kvcalc.answers.traces.request_bytes import RequestBytes, request_bytes
from kvcalc.answers.traces.rules import Rule, rule_of, rules
from kvcalc.answers.traces.statement import statement, timeline
from kvcalc.costs import Cost
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import RequestError, first_line, quote
from kvcalc.model import Model
from kvcalc.readers.traces.service import Service, number, rate
from kvcalc.readers.traces.table import Loaded, connect, load

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation


@dataclass(frozen=True)
class TraceRow:
    """An engine's cache over a trace by one rule: bytes over all ranks, times in microseconds.

    Percentiles and the mean are over time, from the first start to the last end, idle time
    included; `peak_at` counts from the first start. `prefix` rows hold shared blocks once.
    """

    model: str
    engine: str
    window: int | None
    rule: str
    peak_bytes: int
    peak_at: int
    peak_sequences: int
    p50_bytes: int
    p95_bytes: int
    p99_bytes: int
    mean_bytes: int
    requests: int
    requests_without_life: int
    prefill_rate: int | float | None
    decode_rate: int | float | None


@dataclass(frozen=True)
class Traced:
    """A trace's answers: `rows`, bad rows that were skipped, and what else was asked for.

    `timeline()` gives the levels as a DuckDB relation: t in microseconds, sequences, and each
    row's bytes in a column of its engine, window and rule. Rows that are a pool have no level and
    are left out.
    """

    rows: tuple[TraceRow, ...]
    bad_rows: int
    hits: Hits | None
    admission: Admission | None
    timeline: Callable[[], "DuckDBPyRelation"] = field(repr=False, compare=False)


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
    first: int | None = None,
    last: int | None = None,
    prefix: bool = False,
    memory: int | None = None,
    skip_bad: bool = False,
    settings: Settings | None = None,
    **given: Any,
) -> Traced:
    """Sum a model's cache over the requests of traces: CSV, JSONL (gzip too) or Parquet files.

    A Cost instead of a model is summed as it is. Rates are tokens a second, for traces that do not
    say how long a request took; `columns` name columns by question (start, input, output,
    duration, end); `first` and `last` trim, in microseconds from the first start; `memory` is bytes
    that requests are admitted into, first come, first served, by the first row's rule. Settings are
    given as to `kvcalc.cost`.

    Raises:
        KvcalcError: a file, a row, an engine or a setting that is none; the sentence names it.
    """
    if first is not None and last is not None and first >= last:
        raise RequestError.about(
            "to", f"found {last:,} microseconds, expected more than from's {first:,}", found=last
        )
    service = _service(prefill_rate, decode_rate)
    chosen = list(_chosen(model, engine, window, request.named(settings, given)))
    base = connect()
    loaded = load(
        base,
        [files] if isinstance(files, str | Path) else list(files),
        service=service,
        columns=columns,
        time_unit=time_unit,
        skip_bad=skip_bad,
        with_blocks=prefix,
    )
    hits = share(base, loaded.block_tokens) if prefix else None
    trim = Trim(first, last)
    rows = _rows(base, chosen, loaded, service if loaded.modelled else None, prefix, trim)
    levels = {
        _column(rule): request_bytes(rule, shared=prefix)
        for rule in chosen
        if rule.request is not None
    }
    query = timeline({"sequences": RequestBytes("1"), **levels}, shared=prefix, trim=trim)
    return Traced(
        rows=rows,
        bad_rows=loaded.bad_rows,
        hits=hits,
        admission=None if memory is None else _admitted(base, chosen[0], memory),
        timeline=lambda: base.sql(query),
    )


def _column(rule: Rule) -> str:
    parts = (rule.cost.engine, rule.cost.model.window, rule.name)
    return " ".join(str(part) for part in parts if part is not None)


def _service(prefill_rate: object, decode_rate: object) -> Service | None:
    if prefill_rate is None and decode_rate is None:
        return None
    if prefill_rate is None or decode_rate is None:
        missing = "prefill_rate" if prefill_rate is None else "decode_rate"
        raise RequestError.about(missing, "missing beside the other rate")
    return Service(rate(prefill_rate, "prefill_rate"), rate(decode_rate, "decode_rate"))


def _chosen(
    model: Model | Cost,
    engine: str | Sequence[str],
    window: int | Sequence[int] | None,
    settings: dict[str, Any],
) -> Iterable[Rule]:
    if isinstance(model, Cost):
        yield rule_of(model)
        return
    windows = [window] if isinstance(window, int) else list(window or ())
    models = [model.with_window(tokens) for tokens in windows] or [model]
    for name in [engine] if isinstance(engine, str) else engine:
        for one in models:
            yield from rules(one, name, settings)


def _rows(
    base: "DuckDBPyConnection",
    chosen: Sequence[Rule],
    loaded: Loaded,
    service: Service | None,
    prefix: bool,
    trim: Trim,
) -> tuple[TraceRow, ...]:
    sums = [rule for rule in chosen if rule.request is not None]
    weights = [request_bytes(rule, shared=prefix) for rule in sums]
    if len(sums) < len(chosen):
        weights.append(RequestBytes("1"))
    found = _summed(base, statement(weights, shared=prefix, trim=trim))
    longest = base.execute("SELECT max(tokens) FROM trace WHERE t1 > t0").fetchall()[0][0] or 0
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
        rows.append(_row(rule, answer, loaded, service, prefix))
    return tuple(rows)


def _summed(base: "DuckDBPyConnection", query: str) -> list[tuple[int, ...]]:
    """Run the statement; where no request lives all is 0."""
    import duckdb

    try:
        found = base.execute(query).fetchall()
    except (duckdb.OutOfRangeException, duckdb.ConversionException):
        raise RequestError.about(
            "trace", "found 2^63 bytes or more at once, expected less"
        ) from None
    except duckdb.Error as error:
        raise RequestError.about(
            "trace", f"cannot be summed ({quote(first_line(error), 200)})"
        ) from None
    return [tuple(amount or 0 for amount in row[1:]) for row in sorted(found)]


def _row(
    rule: Rule,
    amounts: Sequence[int],
    loaded: Loaded,
    service: Service | None,
    prefix: bool,
) -> TraceRow:
    peak, at, sequences, p50, p95, p99, mean = amounts
    shared = prefix and rule.request is not None
    return TraceRow(
        model=rule.cost.model.name,
        engine=rule.cost.engine,
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
        prefill_rate=None if service is None else number(service.prefill_rate),
        decode_rate=None if service is None else number(service.decode_rate),
    )


def _admitted(base: "DuckDBPyConnection", rule: Rule, memory: int) -> Admission:
    if rule.request is None:
        raise RequestError.about(
            "memory", "requests are admitted by a sum, and this engine's is a pool"
        )
    if type(memory) is not int or memory < 1:
        raise RequestError.of("memory", memory, "a positive int of bytes")
    request = rule.request
    of = rule.of

    @lru_cache(maxsize=2**16)
    def size(tokens: int) -> int:
        return request(tokens) if tokens else 0

    cursor = base.execute(f"SELECT t0, t1, {of} FROM trace ORDER BY t0, t1")

    def ordered() -> Iterable[tuple[int, int, int]]:
        while batch := cursor.fetchmany(65_536):
            yield from batch

    return admit(ordered(), size, max(0, memory - rule.fixed))
