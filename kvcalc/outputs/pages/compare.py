"""Engines side by side for people: bytes and ratios in a table, the reasons beneath it."""

from collections.abc import Sequence

from kvcalc.answers.compare import Compared
from kvcalc.outputs.page import Page, bytes_cell
from kvcalc.units import at_version, format_bytes, percent, plural


def compare_page(rows: Sequence[Compared]) -> Page:
    """Lay out a comparison: one row per engine, columns for each window."""
    by_engine: dict[str, list[Compared]] = {}
    for row in rows:
        by_engine.setdefault(at_version(row.engine, row.engine_version), []).append(row)
    first = rows[0]
    called = [cells[0].engine for cells in by_engine.values()]
    again = {engine for engine in called if called.count(engine) > 1}
    several = len({row.window for row in rows}) > 1
    cells_of_first = next(iter(by_engine.values()))
    windows = [f"window {row.window:,}" if several else "bytes" for row in cells_of_first]
    where = f"{first.context:,} tokens, {plural(first.sequences, 'sequence')}"
    return Page(
        title=f"KV cache of {first.model} by engine, {where}{_element_types(rows)}",
        columns=(
            "engine",
            *(name for window in windows for name in (window, "x ideal")),
            *(("saved",) if several else ()),
        ),
        rows=tuple(
            (
                engine.replace(" ", "\n", 1),
                *(cell for row in cells for cell in _amounts(row)),
                *((_saved(cells),) if several else ()),
            )
            for engine, cells in by_engine.items()
        ),
        text_columns=1,
        notes=tuple(
            note
            for name, cells in by_engine.items()
            for note in _reasons(name if cells[0].engine in again else cells[0].engine, cells)
        ),
    )


def _element_types(rows: Sequence[Compared]) -> str:
    """Name the element type of the first engine that answers, and of each that stores another."""
    stored = {row.engine: row.kv_cache_dtype for row in rows if row.bytes is not None}
    usual = next(iter(stored.values()), None)
    others = [f"{engine}: {name}" for engine, name in stored.items() if name != usual]
    beside = f" ({', '.join(others)})" if others else ""
    return f", {usual}{beside}" if usual else ""


def _amounts(row: Compared) -> tuple[str, str]:
    if row.bytes is None:
        return "cannot", ""
    ratio = "" if row.ratio_to_ideal is None else f"{row.ratio_to_ideal:,.3f}"
    return bytes_cell(row.bytes), ratio


def _saved(cells: Sequence[Compared]) -> str:
    """The share of the largest window's bytes that the smallest window saves."""
    large = max(cells, key=lambda row: row.window or 0).bytes
    small = min(cells, key=lambda row: row.window or 0).bytes
    return "" if large is None or small is None else percent(large - small, large)


def _reasons(engine: str, cells: Sequence[Compared]) -> list[str]:
    """One line per engine on why it differs; one per window if the reasons are not the same."""
    lines: dict[str, None] = {}
    for row in cells:
        said = row.error or row.why
        if row.peak_bytes is not None and row.peak_bytes != row.bytes:
            said += f"; at the peak {format_bytes(row.peak_bytes)}"
        if said:
            lines[f"{engine}: {said}"] = None
    return list(lines)
