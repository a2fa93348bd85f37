"""A sweep for people: contexts down, windows across, and what the smaller window saves."""

from collections.abc import Sequence

from kvcalc import engines
from kvcalc.answers.sweep import SweepRow
from kvcalc.answers.varying import varying
from kvcalc.outputs.page import Page, bytes_cell, settings_note
from kvcalc.outputs.pages.axes import axes_page, full_cell
from kvcalc.units import at_version, percent, plural


def sweep_page(rows: Sequence[SweepRow]) -> Page:
    """Lay out the rows of one sweep."""
    if varying(rows):
        return axes_page(rows)
    windows = list(dict.fromkeys(row.window for row in rows))
    by_context: dict[int, list[SweepRow]] = {}
    for row in rows:
        by_context.setdefault(row.context, []).append(row)
    first = rows[0]
    engine = at_version(first.engine, first.engine_version)
    where = f"on {engine}, {plural(first.sequences, 'sequence')}, {first.kv_cache_dtype}"
    saving = len(windows) > 1
    bounded = any(row.bytes != row.full_attention_bytes for row in rows)
    return Page(
        title=f"KV cache of {first.model} {where}",
        columns=(
            "context",
            *("bytes" if window is None else f"window\n{window:,}" for window in windows),
            *(("all layers\nfull",) if bounded else ()),
            *(("saved of\nsliding", "saved of\nall") if saving else ()),
        ),
        rows=tuple(
            (
                f"{context:,}",
                *(bytes_cell(row.bytes) for row in cells),
                *((full_cell(cells[0]),) if bounded else ()),
                *(_saved(cells) if saving else ()),
            )
            for context, cells in by_context.items()
        ),
        notes=(
            *settings_note(first.settings),
            *((_what_is_saved(windows),) if saving else ()),
            *((note,) if (note := engines.find(first.engine).note) else ()),
        ),
    )


MORE_THAN_A_WINDOW = {"combined", "compressed_attention"}
"""Kinds whose bytes do not depend on the window alone, so the window's share is not known."""


def _saved(cells: Sequence[SweepRow]) -> tuple[str, str]:
    """The share of bytes that the smallest window saves: in sliding layers, and in all."""
    large = max(cells, key=lambda row: row.window or 0)
    small = min(cells, key=lambda row: row.window or 0)
    saved = large.bytes - small.bytes
    windowed = [group for group in large.groups if group.window is not None]
    if any(group.kind in MORE_THAN_A_WINDOW for group in windowed):
        return "", percent(saved, large.bytes)
    return percent(saved, sum(group.bytes for group in windowed)), percent(saved, large.bytes)


def _what_is_saved(windows: Sequence[int | None]) -> str:
    sizes = [window for window in windows if window is not None]
    return (
        f"saved: a window of {min(sizes):,} against {max(sizes):,}, of the sliding layers' cache "
        "and of all layers' cache."
    )
