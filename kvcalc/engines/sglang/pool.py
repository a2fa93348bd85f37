"""A memory cut into SGLang's pools: the bytes of each buffer, and what stands beside them.

Source: SGLang 0.5.23, srt/mem_cache/kv_cache_configurator.py (_init_pools,
_build_req_to_token_pool) and srt/mem_cache/allocation_sizing.py.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kvcalc.costs import Pool
from kvcalc.engines.sglang.layout import Layout, lay_out
from kvcalc.engines.sglang.pool_sizes import PoolSizer, PoolSizes
from kvcalc.engines.sglang.resolved import Resolved, resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.stored import FULL, SLOT, WINDOW, Kept, Stored
from kvcalc.engines.sglang.traits import traits_of
from kvcalc.engines.sglang.window import keeping, reservation
from kvcalc.errors import KvcalcError
from kvcalc.model import Model
from kvcalc.units import format_bytes

MAX_MEMORY = 2**60
"""More than any rank has, and SGLang's floats hold it."""

TABLE_SPARE = 4
"""Columns of the request table beside the context and a draft's tokens."""

RESERVED_NEW = 4096
"""Tokens to generate that are counted before a request is let in
(SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION)."""


def pool(
    model: Model, settings: SglangSettings, memory: int | tuple[int, ...], context: int
) -> Pool:
    """Cut a memory up as SGLang does; the rank with the least memory decides.

    `context` is its `--context-length`. `bytes` has the page that SGLang allocates beyond, states
    and a draft's layers; the request table and the map to the window pool stand in the figures
    alone, since they come out of the memory that the server keeps back.

    Raises:
        KvcalcError: as `cost`; or a memory that SGLang refuses to start in.
    """
    smallest = memory if isinstance(memory, int) else min(memory)
    if smallest > MAX_MEMORY:
        raise KvcalcError(f"memory: found {smallest:,} bytes, expected at most {MAX_MEMORY:,}")
    resolved = resolve(model, settings)
    layout = lay_out(model, settings, resolved)
    keeps = keeping(model, settings, resolved)
    cutter = PoolSizer(model, settings, resolved, layout, keeps, traits_of(model), context)
    cut = cutter.cut(smallest)
    allocated = Allocated(layout, resolved, cut)
    pages = -(-context // resolved.page)
    most = [cut.requests]
    if cut.full and layout.bytes_of(FULL):
        most.append(cut.full // resolved.page // pages)
    if cut.window is not None:
        assert layout.window_tokens is not None
        window_pages = cut.window // resolved.page
        most.append(keeps.most(window_pages, pages, layout.window_tokens))
    return Pool(
        model=model,
        engine="sglang",
        kv_cache_dtype=resolved.format.name,
        settings=settings.changed(),
        context=context,
        bytes=allocated.bytes(layout.all),
        capacity_tokens=cut.tokens,
        max_sequences=min(most) * resolved.groups,
        figures={**_figures(allocated, settings, context), **_beside(allocated, context)},
    )


class Allocated(NamedTuple):
    """The pools of a cut memory, on one rank."""

    layout: Layout
    resolved: Resolved
    cut: PoolSizes

    def part(self, part: Stored) -> int:
        """Bytes of one layer's share of a buffer."""
        cut, page = self.cut, self.resolved.page
        if part.pool == FULL:
            return cut.full * part.bytes // page + part.spare
        if part.pool == WINDOW:
            return (cut.window or 0) * part.bytes // page + part.spare
        if part.pool == SLOT:
            return (cut.slots or 0) * part.bytes + part.spare
        return cut.requests * part.bytes + part.spare

    def bytes(self, kept: tuple[Kept, ...], names: tuple[str, ...] = ("",)) -> int:
        """Bytes of the buffers whose names start with one of `names`."""
        return sum(
            one.layers * self.part(part)
            for one in kept
            for part in one.parts
            if part.buffer.startswith(names)
        )

    def buffers(self) -> dict[str, int]:
        """Bytes of each buffer of the model's own layers."""
        names = dict.fromkeys(part.buffer for kept in self.layout.kept for part in kept.parts)
        return {
            name: sum(
                kept.layers * self.part(part)
                for kept in self.layout.kept
                for part in kept.parts
                if part.buffer == name
            )
            for name in names
        }


def _figures(allocated: Allocated, settings: SglangSettings, context: int) -> dict[str, Any]:
    """What SGLang prints, by its own names, and the bytes of each pool and buffer."""
    layout, resolved, cut = allocated
    kv = allocated.bytes(layout.kept, ("full.", "swa."))
    figures: dict[str, Any] = {
        "max_total_num_tokens": cut.tokens,
        "full_tokens": None if cut.window is None else cut.full,
        "swa_tokens": cut.window,
        "mamba_slots": cut.slots,
        "max_running_requests": cut.requests,
        "page_size": resolved.page,
        **allocated.buffers(),
        "full_pool_bytes": allocated.bytes(layout.kept, ("full.",)),
        "swa_pool_bytes": allocated.bytes(layout.kept, ("swa.",)),
        "kv_bytes": kv,
        "kv_storage_bytes": kv + _rounding(allocated),
        "state_bytes": allocated.bytes(layout.kept, ("mamba.", "state.")),
        "draft_bytes": allocated.bytes((layout.drafted,)) if layout.drafted else 0,
    }
    if cut.left is not None:
        figures["kv_budget_after_mamba"] = cut.left
    if layout.window_tokens is not None and cut.window is not None:
        new = min(RESERVED_NEW, context - 1)
        figures["swa_reserved_per_request"] = reservation(
            context - new, new, layout.window_tokens, resolved.page, resolved.chunk
        )
    return figures


def _rounding(allocated: Allocated) -> int:
    """Bytes by which storage exceeds the buffers: keys and values of one size fill whole pages."""
    window, page = allocated.cut.window or 0, allocated.resolved.page
    missing = -window % page
    if not missing or allocated.resolved.format.block:
        return 0
    rows = {
        part.buffer: kept.layers * part.bytes // page
        for kept in allocated.layout.kept
        for part in kept.parts
        if part.pool == WINDOW
    }
    k, v = rows.get("swa.k_buffer"), rows.get("swa.v_buffer")
    return missing * (k + v) if k is not None and v is not None and k == v else 0


def _beside(allocated: Allocated, context: int) -> Mapping[str, Any]:
    """What SGLang allocates outside the memory for its pools, and a warning where that is much."""
    resolved, cut = allocated.resolved, allocated.cut
    drafts, page = resolved.drafts, resolved.page
    columns = TABLE_SPARE + (drafts.tokens or 0)
    if drafts.tokens is not None and page > 1:
        columns = max(columns, 2 * drafts.tokens_a_decode(page) + page - 1)
    table = (cut.requests + 1) * (context + columns) * 4
    beside: dict[str, Any] = {"req_to_token": table}
    if cut.window is not None:
        beside["full_to_swa_index_mapping"] = (cut.full + page + 1) * 8
    if table * 10 > allocated.bytes(allocated.layout.all):
        beside["warning"] = (
            f"beside the pools SGLang allocates a request table of {format_bytes(table)}: "
            f"{cut.requests + 1:,} rows of {context + columns:,} tokens; a smaller "
            "max_running_requests or context shortens it"
        )
    return beside
