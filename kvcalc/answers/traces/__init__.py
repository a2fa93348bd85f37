"""Real traffic: the peak cache over a request trace, by engine, window and rule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvcalc.answers.traces.admission import Admission, admit
from kvcalc.answers.traces.prefix import Hits, share
from kvcalc.answers.traces.rules import Rule, rules
from kvcalc.answers.traces.statement import Weight, statement, timeline
from kvcalc.costs import Cost
from kvcalc.errors import KvcalcError, shown
from kvcalc.formula import Formula, substituted
from kvcalc.model import Model
from kvcalc.outputs.formulas.sql import render_sql
from kvcalc.readers.traces.service import Service, rate
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
    prefill_rate: str | None
    decode_rate: str | None


@dataclass(frozen=True)
class Traced:
    """A trace's answers: `rows`, bad rows that were skipped, and what else was asked for."""

    rows: tuple[TraceRow, ...]
    bad_rows: int
    hits: Hits | None
    admission: Admission | None
    _base: "DuckDBPyConnection"
    _weights: tuple[Weight, ...]

    def timeline(self) -> "DuckDBPyRelation":
        """The levels as a DuckDB relation: t, held, sequences and b0, b1 ..., bytes of each row.

        Rows that are a pool have no level and are left out.
        """
        query = timeline(self._weights, shared=self.hits is not None)
        relation = self._base.sql(query)
        assert relation is not None
        return relation


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
    **settings: Any,
) -> Traced:
    """Sum a model's cache over the requests of traces: CSV, JSONL (gzip too) or Parquet files.

    A Cost instead of a model is summed as it is. Rates are tokens a second, for traces that do not
    say how long a request took; `columns` name columns by question (start, input, output,
    duration, end); `first` and `last` trim, in microseconds from the first start; `memory` is bytes
    that requests are admitted into, first come, first served, by the first row's rule.

    Raises:
        KvcalcError: a file, a row, an engine or a setting that is none; the sentence names it.
    """
    service = _service(prefill_rate, decode_rate)
    chosen = list(_chosen(model, engine, window, settings))
    base = connect()
    listed = [files] if isinstance(files, str | Path) else list(files)
    loaded = load(
        base,
        listed,
        service=service,
        columns=columns,
        time_unit=time_unit,
        skip_bad=skip_bad,
        with_blocks=prefix,
    )
    hits = share(base, loaded.block_tokens) if prefix else None
    sums = [rule for rule in chosen if rule.request is not None]
    weights = tuple(weight(rule, shared=prefix) for rule in sums)
    rows = list(_rows(base, chosen, sums, weights, loaded, service, prefix, first, last))
    admission = None
    if memory is not None:
        admission = _admitted(base, sums[0] if sums else None, memory)
    return Traced(tuple(rows), loaded.bad_rows, hits, admission, base, weights)


def _service(prefill_rate: object, decode_rate: object) -> Service | None:
    if prefill_rate is None and decode_rate is None:
        return None
    if prefill_rate is None or decode_rate is None:
        missing = "prefill_rate" if prefill_rate is None else "decode_rate"
        raise KvcalcError(f"{missing}: missing beside the other rate")
    return Service(rate(prefill_rate, "prefill_rate"), rate(decode_rate, "decode_rate"))


def _chosen(
    model: Model | Cost,
    engine: str | Sequence[str],
    window: int | Sequence[int] | None,
    settings: dict[str, Any],
) -> Iterable[Rule]:
    if isinstance(model, Cost):
        if isinstance(model.split, str):
            yield Rule("pool for the longest request and the most sequences", model, None)
        else:
            yield Rule("full length", model, model.per_request, model.fixed)
        return
    windows = [window] if isinstance(window, int) else list(window or ())
    models = [model.with_window(tokens) for tokens in windows] or [model]
    for name in [engine] if isinstance(engine, str) else engine:
        for one in models:
            yield from rules(one, name, settings)


def weight(rule: Rule, *, shared: bool = False, dialect: str = "duckdb") -> Weight:
    """Write what a request adds by a rule, as SQL over tokens or prompt; no tokens hold nothing."""
    assert rule.request is not None
    values: Formula = rule.request
    expression = substituted(values.expression, values.variables)
    text = render_sql(expression, dialect, {"context": rule.of})
    return Weight(
        f"CASE WHEN {rule.of} > 0 THEN {text} ELSE 0 END",
        rule.bytes_of_a_token if shared else 0,
    )


def _rows(
    base: "DuckDBPyConnection",
    chosen: Sequence[Rule],
    sums: Sequence[Rule],
    weights: Sequence[Weight],
    loaded: Loaded,
    service: Service | None,
    prefix: bool,
    first: int | None,
    last: int | None,
) -> Iterable[TraceRow]:
    asked = weights or [Weight("0")]
    query = statement(asked, shared=prefix, first=first, last=last)
    found = base.execute(query).fetchall() if loaded.requests else []
    if not found or found[0][1] is None:
        raise KvcalcError("trace: found no request that lives, expected at least one")
    most = found[0][-1]
    longest = base.execute("SELECT max(tokens) FROM trace WHERE t1 > t0").fetchall()[0][0]
    for rule in chosen:
        common = {
            "model": rule.cost.model.name,
            "engine": rule.cost.engine,
            "window": rule.cost.model.window,
            "requests": loaded.requests,
            "requests_without_life": loaded.without_life,
            "prefill_rate": None if service is None else str(service.prefill_rate),
            "decode_rate": None if service is None else str(service.decode_rate),
        }
        if rule.request is None:
            size = rule.cost(max(1, longest), sequences=most)
            yield _row(common, rule.name, [size, 0, most, size, size, size, size])
            continue
        answer = found[sums.index(rule)][1:-1]
        fixed = rule.fixed
        amounts = [
            amount + fixed if place not in (1, 2) else amount for place, amount in enumerate(answer)
        ]
        name = f"{rule.name}, prefixes shared" if prefix else rule.name
        yield _row(common, name, amounts)


def _row(common: Mapping[str, Any], rule: str, amounts: Sequence[int]) -> TraceRow:
    peak, at, sequences, p50, p95, p99, mean = amounts
    return TraceRow(
        **common,
        rule=rule,
        peak_bytes=peak,
        peak_at=at,
        peak_sequences=sequences,
        p50_bytes=p50,
        p95_bytes=p95,
        p99_bytes=p99,
        mean_bytes=mean,
    )


def _admitted(base: "DuckDBPyConnection", rule: Rule | None, memory: int) -> Admission:
    if rule is None or rule.request is None:
        raise KvcalcError("memory: requests are admitted by a sum, and this engine's is a pool")
    if type(memory) is not int or memory < 1:
        raise KvcalcError(f"memory: found {shown(memory)}, expected a positive int of bytes")
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
