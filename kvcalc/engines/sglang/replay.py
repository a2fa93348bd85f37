"""A trace through SGLang's RadixCache, one request after another.

SGLang 0.5.23, srt/mem_cache/radix_cache.py and srt/mem_cache/common.py. Its server builds
UnifiedRadixCache in that class's place, which was not measured: the answer says so.
"""

from collections.abc import Callable, Sequence

from kvcalc.engines.replay import Replay, Replayed, Request
from kvcalc.engines.sglang.pool import sizer_of
from kvcalc.engines.sglang.radix import Radix
from kvcalc.engines.sglang.resolved import Resolved
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.window_pool import has_window_pool
from kvcalc.errors import UnsupportedError
from kvcalc.layers.recurrent import Recurrent
from kvcalc.model import Model
from kvcalc.pools import Pool

RELEASE = "0.5.23"
"""The release whose RadixCache was stepped."""

ENDLESS = 2**50
"""Tokens of a pool that is never full."""


class Served:
    """A pool of `size` tokens, and the tree of what is kept in it."""

    def __init__(self, size: int, page: int, log: Callable[[int], object] | None = None) -> None:
        self.size = size
        self.page = page
        self.tree = Radix(page, log)
        self.peak = 0

    def serve(self, request: Request, chunk: int) -> int | None:
        """Serve a request to its end; the tokens that hit, None where it finds no room."""
        tree, page = self.tree, self.page
        prompt, answer = request.prompt_tokens, request.output_tokens
        stored = prompt + max(0, answer - 1)
        if -(-stored // page) * page > self.size:
            return None
        node, hit = tree.match(request.prompt, prompt - 1)
        tree.use(node, 1)
        done = hit
        while done < prompt:
            upto = min(done + chunk, prompt)
            beside = page if done % page else 0
            self._make_room(upto - done + (page if page > 1 else 0), beside)
            tree.put(request.prompt, upto)
            tree.use(node, -1)
            node, _ = tree.match(request.prompt, upto)
            tree.use(node, 1)
            done = upto
        kept = prompt // page * page
        for at in range(prompt, stored):
            self._make_room(page, -(-at // page) * page - kept)
        self.peak = max(self.peak, tree.tokens + -(-stored // page) * page - kept)
        tree.put((*request.prompt, *request.output), stored)
        tree.use(node, -1)
        return hit

    def _make_room(self, tokens: int, beside: int) -> None:
        """Evict what is short of so many tokens, where some lie beside the tree."""
        short = tokens - (self.size - self.tree.tokens - beside)
        if short > 0:
            self.tree.evict(short)


def run(
    model: Model,
    settings: SglangSettings,
    requests: Sequence[Request],
    sizes: Sequence[int | None],
) -> list[Replayed]:
    """Put requests through pools of so many pages.

    Raises:
        UnsupportedError: a model with a window pool or states, a release or a setting that was not
            replayed, or requests that run at once.
    """
    resolved = _replayed(model, settings, requests)
    found = []
    for size in sizes:
        tokens = ENDLESS if size is None else size * resolved.page
        pool = Served(tokens, resolved.page)
        chunk = resolved.chunk or tokens
        hits = [pool.serve(request, chunk) for request in requests]
        refused = tuple(place for place, hit in enumerate(hits) if hit is None)
        evicted = pool.tree.evicted // resolved.page
        each = tuple(hit or 0 for hit in hits)
        found.append(Replayed(each, refused, (evicted,), pool.peak // resolved.page))
    return found


def _replayed(model: Model, settings: SglangSettings, requests: Sequence[Request]) -> Resolved:
    refusals = {
        "release": settings.standing.version != RELEASE
        and f"found {settings.standing.version}, expected {RELEASE}, whose RadixCache was stepped",
        "disable_radix_cache": settings.disable_radix_cache
        and "found true: without a radix cache nothing hits",
        "prefix cache": (has_window_pool(model, settings) or model.caches_of(Recurrent))
        and "a window pool or states beside the tree (SWARadixCache, MambaRadixCache) were not "
        "replayed",
        "prefill_rate": any(request.runs is not None for request in requests)
        and "found for sglang, whose requests were replayed one after another alone",
    }
    for what, why in refusals.items():
        if why:
            raise UnsupportedError.of(what, why)
    return sizer_of(model, settings, model.longest_context).resolved


def pages(pool: Pool) -> int:
    """The pages of a pool."""
    found: int = pool.figures["max_total_num_tokens"] // pool.figures["page_size"]
    return found


REPLAY = Replay(
    blocks=pages,
    run=run,
    groups=lambda model, settings: ("tree",),
    note=lambda settings: (
        "sglang: RadixCache of 0.5.23, in pages; its server builds UnifiedRadixCache in its place, "
        "which was not measured."
    ),
)
