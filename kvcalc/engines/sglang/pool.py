"""A memory cut into SGLang's pools: the bytes of each buffer, and what stands beside them.

Source: SGLang 0.5.23, srt/mem_cache/kv_cache_configurator.py (_init_pools,
_build_req_to_token_pool) and srt/mem_cache/allocation_sizing.py.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from kvcalc.engines.sglang.architectures import traits_of
from kvcalc.engines.sglang.buffers import FULL, SIDE, SLOT, WINDOW, BufferBytes, LayerBuffers
from kvcalc.engines.sglang.layout import Layout, lay_out
from kvcalc.engines.sglang.pool_sizes import PoolSizer, PoolSizes
from kvcalc.engines.sglang.resolved import Resolved, resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.window_pool import reservation, window_pool
from kvcalc.errors import RequestError
from kvcalc.model import Model
from kvcalc.pools import Pool
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
        raise RequestError.about(
            "memory",
            f"found {smallest:,} bytes",
            found=smallest,
            expected=f"at most {MAX_MEMORY:,}",
        )
    sizer = sizer_of(model, settings, context)
    layout, resolved = sizer.layout, sizer.resolved
    sizes = sizer.sizes(smallest)
    allocated = Allocated(layout, resolved, sizes)
    pages = -(-context // resolved.page)
    most = [sizes.requests]
    if sizes.full and layout.bytes_of(FULL):
        most.append(sizes.full // resolved.page // pages)
    if sizes.window is not None:
        assert layout.window_tokens is not None
        window_pages = sizes.window // resolved.page
        most.append(sizer.window_pool.most(window_pages, pages, layout.window_tokens))
    return Pool(
        model=model,
        engine="sglang",
        kv_cache_dtype=resolved.format.name,
        settings=settings.changed(),
        context=context,
        bytes=allocated.bytes(layout.all),
        capacity_tokens=sizes.tokens,
        max_sequences=min(most) * resolved.groups,
        figures={**_figures(allocated, settings, context), **beside(allocated, context)},
    )


def sizer_of(model: Model, settings: SglangSettings, context: int) -> PoolSizer:
    """Gather SGLang's rules of how a memory is cut up for requests of `context` tokens.

    Raises:
        KvcalcError: as `cost`.
    """
    resolved = resolve(model, settings)
    layout = lay_out(model, settings, resolved)
    windows = window_pool(model, settings, resolved)
    return PoolSizer(model, settings, resolved, layout, windows, traits_of(model), context)


class Allocated(NamedTuple):
    """The pools as they are allocated on one rank."""

    layout: Layout
    resolved: Resolved
    sizes: PoolSizes

    def share(self, buffer: BufferBytes) -> int:
        """Bytes of one layer's share of a buffer."""
        sizes, page = self.sizes, self.resolved.page
        if buffer.pool == FULL:
            return sizes.full * buffer.bytes // page + buffer.spare
        if buffer.pool == WINDOW:
            return (sizes.window or 0) * buffer.bytes // page + buffer.spare
        if buffer.pool in (SLOT, SIDE):
            return (sizes.slots or 0) * buffer.bytes + buffer.spare
        return sizes.requests * buffer.bytes + buffer.spare

    def bytes(self, groups: tuple[LayerBuffers, ...], names: tuple[str, ...] = ("",)) -> int:
        """Bytes of the buffers whose names start with one of `names`."""
        return sum(
            group.layers * self.share(buffer)
            for group in groups
            for buffer in group.buffers
            if buffer.name.startswith(names)
        )

    def buffers(self) -> dict[str, int]:
        """Bytes of each buffer of the model's own layers."""
        sums: Counter[str] = Counter()
        for group in self.layout.groups:
            for buffer in group.buffers:
                sums[buffer.name] += group.layers * self.share(buffer)
        return dict(sums)


def _figures(allocated: Allocated, settings: SglangSettings, context: int) -> dict[str, Any]:
    """What SGLang prints, by its own names, and the bytes of each pool and buffer."""
    layout, resolved, sizes = allocated
    kv = allocated.bytes(layout.groups, ("full.", "swa."))
    rounding = _rounding(allocated) if settings.standing.rules["whole_pages"].value else 0
    figures: dict[str, Any] = {
        "max_total_num_tokens": sizes.tokens,
        "full_tokens": None if sizes.window is None else sizes.full,
        "swa_tokens": sizes.window,
        "mamba_slots": sizes.slots,
        "max_running_requests": sizes.requests,
        "page_size": resolved.page,
        **allocated.buffers(),
        "full_pool_bytes": allocated.bytes(layout.groups, ("full.",)),
        "swa_pool_bytes": allocated.bytes(layout.groups, ("swa.",)),
        "kv_bytes": kv,
        "kv_storage_bytes": kv + rounding,
        "state_bytes": allocated.bytes(layout.groups, ("mamba.", "state.", "ple.")),
        "draft_bytes": allocated.bytes((layout.draft,)) if layout.draft else 0,
    }
    if sizes.left is not None:
        figures["kv_budget_after_mamba"] = sizes.left
    if layout.window_tokens is not None and sizes.window is not None:
        new = min(RESERVED_NEW, context - 1)
        figures["swa_reserved_per_request"] = reservation(
            context - new, new, layout.window_tokens, resolved.page, resolved.chunk
        )
    return figures


def _rounding(allocated: Allocated) -> int:
    """Bytes by which storage exceeds the buffers: keys and values of one size fill whole pages."""
    window, page = allocated.sizes.window or 0, allocated.resolved.page
    missing = -window % page
    if not missing or allocated.resolved.format.block:
        return 0
    rows = {
        buffer.name: group.layers * buffer.bytes // page
        for group in allocated.layout.groups
        for buffer in group.buffers
        if buffer.pool == WINDOW
    }
    k, v = rows.get("swa.k_buffer"), rows.get("swa.v_buffer")
    return missing * (k + v) if k is not None and v is not None and k == v else 0


def beside(allocated: Allocated, context: int) -> Mapping[str, Any]:
    """What SGLang allocates outside the memory for its pools, and a warning where that is much."""
    resolved, sizes = allocated.resolved, allocated.sizes
    drafts, page = resolved.drafts, resolved.page
    columns = TABLE_SPARE + (drafts.tokens or 0)
    if drafts.tokens is not None and page > 1:
        columns = max(columns, 2 * drafts.tokens_a_decode(page) + page - 1)
    rows = sizes.requests + resolved.spare_rows
    table = rows * (context + columns) * 4
    beside: dict[str, Any] = {"req_to_token": table}
    if sizes.window is not None:
        beside["full_to_swa_index_mapping"] = (sizes.full + page + 1) * 8
    if table * 10 > allocated.bytes(allocated.layout.all):
        beside["warning"] = (
            f"beside the pools SGLang allocates a request table of {format_bytes(table)}: "
            f"{rows:,} rows of {context + columns:,} tokens; a smaller "
            "max_running_requests or context shortens it"
        )
    return beside
