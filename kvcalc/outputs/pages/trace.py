"""A trace's peaks for people: engines, windows and rules, and what the smaller window saves."""

from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.placing import MAX_GPUS
from kvcalc.answers.traces import Traced
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


def _notes(found: Traced) -> list[str]:
    first = found.rows[0]
    notes = []
    if first.prefill_rate is not None and first.decode_rate is not None:
        notes.append(
            f"a request lives input/{round(first.prefill_rate, 3)} + "
            f"output/{round(first.decode_rate, 3)} seconds; "
            "percentiles and means are over time, idle time included."
        )
    if first.requests_without_life:
        notes.append(f"{first.requests_without_life:,} requests end as they start: not charged.")
    if isinstance(first, TraceRowOnGpus) and found.weights is not None:
        which = "the fewest whose" if found.gpus is None else f"whether {found.gpus:,} do: their"
        notes.append(
            f"{first.gpu}s: {which} cache memory, by each engine's own rule, holds the "
            "peak, its requests dealt evenly to copies of the model."
        )
        if any(isinstance(row, TraceRowOnGpus) and row.gpus is None for row in found.rows):
            most = f"up to {MAX_GPUS:,}" if found.gpus is None else f"{found.gpus:,}"
            notes.append(f"none fit: on {most} {first.gpu} the peak has no room.")
        notes += [
            weights_of_engines(found.weights),
            *(f"{note}." for note in card(first.gpu).notes),
        ]
    for rule in dict.fromkeys((row.engine, row.rule) for row in found.rows):
        rows = [row for row in found.rows if (row.engine, row.rule) == rule]
        if len(rows) > 1:
            large = max(rows, key=lambda row: row.window or 0)
            small = min(rows, key=lambda row: row.window or 0)
            saved = percent(large.peak_bytes - small.peak_bytes, large.peak_bytes)
            notes.append(
                f"{rule[0]}, {rule[1]}: a window of {small.window:,} saves {saved} of the peak of "
                f"{large.window:,}."
            )
    if found.hits is not None:
        notes += _hits(found.hits)
    if found.admission is not None:
        told = found.admission
        notes.append(
            f"into {told.memory:,} bytes: {plural(told.waited, 'request')} would have waited, "
            f"{_seconds(told.mean_wait)} on average, 95 % up to {_seconds(told.p95_wait)}, the "
            f"longest {_seconds(told.longest_wait)}; {plural(told.too_large, 'request')} larger "
            "than the memory."
        )
    return notes


def _hits(hits: Hits) -> list[str]:
    """What came before, and what an engine that does not keep it all would hit of it."""
    share = percent(hits.hit_tokens, hits.prompt_tokens)
    came = f"{share} of the prompts' tokens are of blocks that came before"
    if not hits.windowed:
        return [f"{came}: an endless cache's hits, which do not lower a peak by as much."]
    notes = [f"{came}; beside windows not all of them are kept."]
    for one in hits.windowed:
        told = f"{one.engine}, window {one.window:,}: "
        if one.hit_tokens is None:
            notes.append(f"{told}what it hits of them was not replayed.")
        else:
            part = percent(one.hit_tokens, hits.prompt_tokens)
            notes.append(f"{told}a cache that is never full hits {part} (kvcalc replay).")
    return notes


def _seconds(microseconds: int) -> str:
    return f"{microseconds // 1_000_000:,}.{microseconds // 1000 % 1000:03d} s"
