"""What fits, for people: one answer as a list of its figures, or a grid with one row per answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

from kvcalc.answers.fit import Answer
from kvcalc.answers.fit.change import margin, verdict
from kvcalc.answers.fit.fitted import Fit
from kvcalc.answers.fit.grid import RefusedFit
from kvcalc.answers.fit.placing import STAGES
from kvcalc.answers.fit.room import WEIGHTS
from kvcalc.engines.memory import ALL, FREE, Memory
from kvcalc.engines.memory_part import GPU, MAIN_MEMORY, MemoryPart, Place
from kvcalc.outputs.page import Page, bytes_cell
from kvcalc.outputs.pages.weights import weights_note
from kvcalc.units import at_version, binary_size, format_bytes, percent, plural

if TYPE_CHECKING:
    from kvcalc.answers.fit.price import PricedFit


HOST = "main memory of the host"


def fit_page(
    answer: Answer,
    fit: Fit,
    changes: Sequence[str],
    holding_more: Sequence[str] = (),
    giving_back: Sequence[str] = (),
) -> Page:
    """Lay out one answer: its figures, where they come from and what would make it fit."""
    words, cards = answer.replica.question.memory.spread.words, answer.replica.cards
    copies = plural(fit.replicas, "copy").replace("copys", "copies")
    stages = fit.settings.get(STAGES, 1)
    memory, left = answer.replica.question.card.memory, margin(answer)
    each = answer.replica.cost.peak(fit.context, sequences=1)
    rows = [
        ("max sequences", _promised(fit), ""),
        (f"max context of {plural(fit.sequences, 'sequence')}", f"{fit.max_context:,}", ""),
        ("GPUs", f"{fit.gpus:,}", ""),
        (words, f"{cards}, {copies} of the model", ""),
        *([("pipeline stages", f"{stages}", "")] if stages != 1 else []),
        ("binding", fit.binding, ""),
        ("memory", bytes_cell(fit.gpus * memory), bytes_cell(memory)),
        *((part.name, "", bytes_cell(part.bytes)) for part in _parts_of(GPU, fit) if part.bytes),
        ("cache memory", "", bytes_cell(fit.cache_memory_per_gpu)),
        *_promise_row(fit),
        (
            f"a sequence of {fit.context:,} tokens",
            bytes_cell(each),
            bytes_cell(fit.bytes_per_gpu_per_sequence),
        ),
        ("missing" if left < 0 else "left", "", bytes_cell(abs(left))),
        *_host_rows(fit),
    ]
    if _has_price(fit):
        rows += _price_rows(fit)
    hint = (f"what would fit: {', or '.join(changes)}",) if changes else ()
    if giving_back:
        hint = (*hint, f"what gives most back: {', '.join(giving_back)}")
    if holding_more:
        hint = (*hint, f"what would hold more on these GPUs: {', or '.join(holding_more)}")
    return Page(
        title=verdict(answer),
        columns=("", "in all", "per GPU"),
        rows=tuple(rows),
        text_columns=1,
        notes=(*hint, *_notes(answer, fit)),
    )


def grid_page(rows: Sequence[Fit | RefusedFit]) -> Page:
    """Lay out a grid; what is refused is a row too, and its reason a note."""
    priced = any(_has_price(row) for row in rows)
    columns = (
        *("model", "GPUs", "fits", "binding", "TP", "context", "sequences", "max\nsequences"),
        *("max\ncontext", "cache memory\na GPU", *(("per month",) if priced else ())),
    )
    refused: dict[str, dict[str, None]] = {}
    for row in rows:
        if isinstance(row, RefusedFit):
            refused.setdefault(row.error, {})[f"{row.model} on {_on(row)}"] = None
    return Page(
        title=f"What fits on {at_version(rows[0].engine, rows[0].engine_version)}",
        columns=columns,
        rows=tuple(
            (_refused_cells(row) + ("",) * len(columns))[: len(columns)]
            if isinstance(row, RefusedFit)
            else _cells(row) + (_month(row) if priced else ())
            for row in rows
        ),
        text_columns=4,
        notes=tuple(f"cannot, {'; '.join(where)}: {why}." for why, where in refused.items()),
    )


def _cells(row: Fit) -> tuple[str, ...]:
    return (
        row.model,
        f"{row.gpus} {row.gpu}",
        "yes" if row.fits else "no",
        row.binding,
        f"{row.tensor_parallel_size}",
        f"{row.context:,}",
        f"{row.sequences:,}",
        f"{row.max_sequences:,}",
        f"{row.max_context:,}",
        bytes_cell(row.cache_memory_per_gpu),
    )


def _month(row: Fit) -> tuple[str, ...]:
    return (_money(row.cost_month) if _has_price(row) else "",)


def _refused_cells(row: RefusedFit) -> tuple[str, ...]:
    amounts = ("" if one is None else f"{one:,}" for one in (row.context, row.sequences))
    return (row.model, _on(row), "cannot", "", "", *amounts)


def _on(row: RefusedFit) -> str:
    return row.gpu if row.gpus is None else f"{row.gpus} {row.gpu}"


def _promised(fit: Fit) -> str:
    """The most sequences: how many are promised, and how many are likely if that is more."""
    if fit.promised_sequences == fit.max_sequences:
        return f"{fit.max_sequences:,}"
    return f"at least {fit.promised_sequences:,}, likely {fit.max_sequences:,}"


def _promise_row(fit: Fit) -> tuple[tuple[str, str, str], ...]:
    if fit.promised_cache_memory_per_gpu == fit.cache_memory_per_gpu:
        return ()
    return (("promised cache memory", "", bytes_cell(fit.promised_cache_memory_per_gpu)),)


def _parts_of(place: Place, fit: Fit) -> list[MemoryPart]:
    return [part for part in fit.parts if part.place == place]


def _host_rows(fit: Fit) -> list[tuple[str, str, str]]:
    """What all copies take of the host's main memory, which is no GPU's."""
    held = [part for part in _parts_of(MAIN_MEMORY, fit) if part.bytes]
    rows = [(part.name, bytes_cell(fit.replicas * part.bytes), "") for part in held]
    if held:
        total = fit.replicas * sum(part.bytes for part in held)
        rows.append((HOST, bytes_cell(total), ""))
    return rows


def _part_note(part: MemoryPart) -> str:
    """Say of a part how it is known, how far it may be off, and by which source."""
    band = ""
    if part.low != part.high:
        band = f", {binary_size(part.low)} to {binary_size(part.high)}"
    return f"{part.name}: {part.kind}{band}; {part.source}."


def _filled_note(answer: Answer) -> tuple[str, ...]:
    """Say what the host's main memory is filled with in use, which is no part of a start."""
    filled = answer.replica.question.memory.filled_in_use
    said = "" if filled is None else filled(answer.replica.parsed)
    return (f"{HOST}: {said}.",) if said else ()


def _has_price(row: Fit | RefusedFit) -> "TypeGuard[PricedFit]":
    """Whether a fit has its cost, whose class is imported where prices are given."""
    return hasattr(row, "cost_hour")


def _price_rows(fit: "PricedFit") -> list[tuple[str, str, str]]:
    from kvcalc.answers.fit.price import HOURS_A_MONTH

    rows = [("GPUs with spare ones", f"{fit.gpus_with_spare:,}", "")]
    if fit.cost_hour is not None:
        of_one = fit.cost_hour / fit.gpus_with_spare
        rows.append(("cost an hour", _money(fit.cost_hour), _money(of_one)))
        rows.append((f"cost per month ({HOURS_A_MONTH} h)", _money(fit.cost_month), ""))
    return rows


def _money(amount: float | None) -> str:
    return "" if amount is None else f"{amount:,.2f}"


def _reserve_note(given: int | None, own: Memory) -> str:
    """Say what is held back, and why the engine's own rule holds back no more."""
    taken = format_bytes(given) + ", as given" if given else "" if own.of == ALL else "0"
    return f"reserve: {taken}{': ' if taken else ''}{own.reserve_source}."


def _beside(answer: Answer, fit: Fit) -> list[str]:
    """Notes on what is held back beside the weights: a reserve, or each part of the start."""
    asked = answer.replica.question
    if asked.reserve is not None or asked.memory.parts is None:
        return [_reserve_note(asked.reserve, asked.memory)]
    own = [part for part in _parts_of(GPU, fit) if part.name != WEIGHTS or asked.measured]
    return [_part_note(part) for part in own]


def _notes(answer: Answer, fit: Fit) -> list[str]:
    """Notes on where each figure comes from, and what is not modelled."""
    asked, share = answer.replica.question, answer.replica.budget.share
    own, weights = asked.memory, asked.weights
    of = "what is free" if own.of == FREE else "the memory"
    taken = f"{own.share} {float(share):g} of {of}; " if share is not None else ""
    active = asked.model.active_parameters
    notes = [
        f"cache memory: {taken}{own.source.format(version=fit.engine_version)}.",
        *_beside(answer, fit),
        *(_part_note(part) for part in _parts_of(MAIN_MEMORY, fit)),
        *_filled_note(answer),
        *(() if asked.measured else (weights_note(weights, answer.replica.loaded, fit.engine),)),
        *(f"{note}." for note in asked.card.notes),
    ]
    cost = answer.replica.cost
    held, peak = cost(fit.context), cost.peak(fit.context)
    if peak > held:
        notes.append(f"a sequence is taken at its peak; at its end it holds {format_bytes(held)}.")
    if weights.parameters and active:
        share_active = percent(active, weights.parameters)
        notes.append(f"{active:,} parameters are active per token ({share_active}); all must fit.")
    if own.spread.note and (fit.gpus > 1 or not fit.fits):
        notes.append(f"{own.spread.note}.")
    if asked.engine.note:
        notes.append(asked.engine.note)
    if said := answer.replica.note(fit.context):
        notes.append(f"{said}.")
    if fit.flags:
        notes.append(fit.flags)
    return notes
