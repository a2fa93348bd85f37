"""A trace's peaks for people: engines, windows and rules, and what the smaller window saves."""

from collections.abc import Iterator, Sequence

from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.placing import MAX_GPUS
from kvcalc.answers.traces import Traced
from kvcalc.answers.traces.admission import Admission
from kvcalc.answers.traces.prefix import Hits
from kvcalc.answers.traces.row import TraceRow, TraceRowOnGpus
from kvcalc.outputs.page import Page, bytes_cell
from kvcalc.outputs.pages.weights import weights_of_engines
from kvcalc.units import at_version, binary_size, percent, plural


def trace_page(found: Traced) -> Page:
    """Lay out a trace's rows; with a GPU, how many of them hold the peak beside the weights."""
    first = found.rows[0]
    return Page(
        title=f"KV cache of {first.model} over {plural(first.requests, 'request')}",
        columns=(
            "engine",
            "rule",
            "window",
            "peak",
            "at (s)",
            "sequences",
            "p50",
            "p95",
            "p99",
            "mean",
            *((f"{first.gpu}s",) if isinstance(first, TraceRowOnGpus) else ()),
        ),
        rows=tuple(_cells(row) for row in found.rows),
        text_columns=2,
        notes=tuple(_notes(found)),
    )


def _cells(row: TraceRow) -> tuple[str, ...]:
    return (
        at_version(row.engine, row.engine_version).replace(" ", "\n", 1),
        row.rule,
        "" if row.window is None else f"{row.window:,}",
        bytes_cell(row.peak_bytes),
        f"{row.peak_at // 1_000_000:,}",
        f"{row.peak_sequences:,}",
        *(
            binary_size(size)
            for size in (row.p50_bytes, row.p95_bytes, row.p99_bytes, row.mean_bytes)
        ),
        *((_gpus(row),) if isinstance(row, TraceRowOnGpus) else ()),
    )


def _gpus(row: TraceRowOnGpus) -> str:
    return "none fit" if row.gpus is None else f"{row.gpus:,}"


def _notes(found: Traced) -> Iterator[str]:
    yield from _about_lives(found.rows[0])
    yield from _about_gpus(found)
    yield from _about_windows(found.rows)
    if found.hits is not None:
        yield from _about_hits(found.hits)
    if found.admission is not None:
        yield _about_admission(found.admission)


def _about_lives(row: TraceRow) -> Iterator[str]:
    if row.prefill_rate is not None and row.decode_rate is not None:
        yield (
            f"a request lives input/{round(row.prefill_rate, 3)} + "
            f"output/{round(row.decode_rate, 3)} seconds; "
            "percentiles and means are over time, idle time included."
        )
    if row.requests_without_life:
        yield f"{row.requests_without_life:,} requests end as they start: not charged."


def _about_gpus(found: Traced) -> Iterator[str]:
    first = found.rows[0]
    if not isinstance(first, TraceRowOnGpus) or found.weights is None:
        return
    which = "the fewest whose" if found.gpus is None else f"whether {found.gpus:,} do: their"
    yield (
        f"{first.gpu}s: {which} cache memory, by each engine's own rule, holds the "
        "peak, its requests dealt evenly to copies of the model."
    )
    if any(isinstance(row, TraceRowOnGpus) and row.gpus is None for row in found.rows):
        most = f"up to {MAX_GPUS:,}" if found.gpus is None else f"{found.gpus:,}"
        yield f"none fit: on {most} {first.gpu} the peak has no room."
    yield weights_of_engines(found.weights)
    yield from (f"{note}." for note in card(first.gpu).notes)


def _about_windows(rows: Sequence[TraceRow]) -> Iterator[str]:
    """What the smallest window saves of the largest, by each rule of each engine."""
    for engine, rule in dict.fromkeys((row.engine, row.rule) for row in rows):
        own = [row for row in rows if (row.engine, row.rule) == (engine, rule)]
        if len(own) > 1:
            large = max(own, key=lambda row: row.window or 0)
            small = min(own, key=lambda row: row.window or 0)
            saved = percent(large.peak_bytes - small.peak_bytes, large.peak_bytes)
            yield (
                f"{engine}, {rule}: a window of {small.window:,} saves {saved} of the peak of "
                f"{large.window:,}."
            )


def _about_hits(hits: Hits) -> Iterator[str]:
    """What came before, and what an engine that does not keep it all would hit of it."""
    share = percent(hits.hit_tokens, hits.prompt_tokens)
    came = f"{share} of the prompts' tokens are of blocks that came before"
    if not hits.windowed:
        yield f"{came}: an endless cache's hits, which do not lower a peak by as much."
        return
    yield f"{came}; beside windows not all of them are kept."
    for one in hits.windowed:
        of = f"{one.engine}, window {one.window:,}"
        if one.hit_tokens is None:
            yield f"{of}: what it hits of them was not replayed."
        else:
            part = percent(one.hit_tokens, hits.prompt_tokens)
            yield f"{of}: a cache that is never full hits {part} (kvcalc replay)."


def _about_admission(found: Admission) -> str:
    return (
        f"into {found.memory:,} bytes: {plural(found.waited, 'request')} would have waited, "
        f"{_seconds(found.mean_wait)} on average, 95 % up to {_seconds(found.p95_wait)}, the "
        f"longest {_seconds(found.longest_wait)}; {plural(found.too_large, 'request')} larger "
        "than the memory."
    )


def _seconds(microseconds: int) -> str:
    return f"{microseconds // 1_000_000:,}.{microseconds // 1000 % 1000:03d} s"
