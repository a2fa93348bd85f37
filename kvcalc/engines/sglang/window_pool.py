"""The window pool: who gets one, what requests take of it, and what SGLang sets aside for them.

`window` is what SGLang takes for a model's window. Source: SGLang 0.5.23,
srt/configs/model_config.py (is_hybrid_swa_model), srt/managers/schedule_batch.py
(maybe_evict_swa), srt/mem_cache/common.py (free_swa_out_of_window_slots),
srt/mem_cache/prefill_budget.py (estimate_swa_kv_tokens) and
srt/model_executor/pool_configurator.py (compute_swa_request_cap).
"""

from dataclasses import dataclass

from kvcalc.costs import window_of
from kvcalc.engines.sglang import architectures
from kvcalc.engines.sglang.resolved import Resolved
from kvcalc.engines.sglang.rules import Beside, an_interval_of_its_own
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, cdiv, maximum, minimum
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.model import Model


def has_window_pool(model: Model, settings: SglangSettings) -> bool:
    """Tell whether SGLang gives a model a window pool.

    Compressed layers are stored in no other way; a model given by its shape is taken at its word.
    """
    if "compressed_attention" in model.kinds:
        return True
    if settings.disable_hybrid_swa_memory:
        return False
    known = (
        model.model_type is None
        or model.model_type in architectures.WINDOW_POOLS
        or model.model_type in settings.standing.rules["opted_in"].value
    )
    return known and any(cache.slides for cache, _ in model.caches)


def sliding_window_size(model: Model) -> tuple[Value, int]:
    """What SGLang takes for the window, as a value and in tokens.

    Raises:
        UnsupportedError: several windows; SGLang has one.
    """
    sizes = set(model.sliding_windows)
    chunks = {cache.chunk for cache in model.caches_of(ChunkedAttention)}
    if len(sizes | chunks) > 1:
        raise UnsupportedError.of(
            "window", f"found {sorted(sizes | chunks)} in {model.name}, expected one on sglang"
        )
    less = 1 if model.model_type in architectures.WINDOW_LESS_ONE else 0
    tokens = (sizes | chunks).pop()
    return (window_of(model, tokens) if sizes else tokens) - less, tokens - less


@dataclass(frozen=True)
class WindowPool:
    """How requests take pages of the window pool and give them back.

    `page`, `interval` and `chunk` are in tokens; `chunk` is None where a prompt stays whole.
    `overlap` says that a chunk is scheduled while the one before it runs. `ahead` is tokens that a
    request takes before it needs them, `drafted` tokens per round. `beside` is the release's rule
    of what a request holds beside its window. `on_their_way` are requests that a server that
    decodes alone makes room for, None on others.
    """

    page: int
    chunk: int | None
    interval: int
    overlap: bool
    radix_cache: bool
    ahead: int
    drafted: int
    beside: Beside = an_interval_of_its_own
    on_their_way: int | None = None

    @property
    def chunks_in_flight(self) -> int:
        """Chunks of prompts that have not left the window's pool yet."""
        return 2 if self.overlap else 1

    def reading(self, window: Value) -> Value | None:
        """Pages of a request while its prompt is read: its window and the chunks in flight.

        With the radix cache what leaves the window stays in the tree, where it can be evicted, and
        one chunk is counted. The first generated token, which may still join them, is not counted.
        None: all of the prompt's pages.
        """
        if self.chunk is None:
            return None
        return cdiv(window, self.page) + self._read_ahead // self.page

    def decoding(self, window: Value) -> Value:
        """Pages of a request while it generates: whole pages leave, many tokens at a time.

        With drafts it is what SGLang itself sets aside for a request.
        """
        if self.drafted > 1:
            return cdiv(window + self._beside_the_window, self.page)
        return cdiv(window + self._held_beside(window), self.page)

    def _held_beside(self, window: Value) -> Value:
        return self.beside(window, self.page, self.interval, self.radix_cache)

    def pages(self, request: Value, sequences: Value, window: Value) -> Value:
        """Pages of that many requests at their peak, where all tokens of one are `request` pages.

        One reads its prompt while the others generate.
        """
        whole = request * sequences
        reading = self.reading(window)
        if reading is None:
            return whole
        decoding = self.decoding(window)
        beside = self._held_beside(window)
        if self.drafted > 1 or not isinstance(beside, int) or self._read_ahead < beside:
            reading = maximum(decoding, reading)
        return minimum(whole, (sequences - 1) * decoding + reading)

    def most(self, pages: int, request: int, window: int) -> int:
        """How many requests of `request` pages each fit in a window pool of that many pages."""
        whole = pages // request
        reading, decoding = self.reading(window), self.decoding(window)
        if reading is None:
            return whole
        assert isinstance(reading, int)
        assert isinstance(decoding, int)
        first = max(reading, decoding)
        return max(whole, (pages - first) // decoding + 1 if pages >= first else 0)

    def cap(self, window: int, requests: int) -> int:
        """Tokens that SGLang sets aside for running requests (compute_swa_request_cap).

        Where prompts are read, chunks in flight come on top; else requests on their way.
        """
        running = (window + self._beside_the_window) * requests
        if self.on_their_way is not None:
            return running + (window + self.page) * self.on_their_way
        assert self.chunk is not None
        return running + self.chunks_in_flight * self.chunk + self.page

    @property
    def _read_ahead(self) -> int:
        """Tokens of the chunks of a prompt that are counted."""
        assert self.chunk is not None
        return (1 if self.radix_cache else self.chunks_in_flight) * self.chunk

    @property
    def _beside_the_window(self) -> int:
        return self.interval * self.drafted + self.page + self.ahead


def window_pool(model: Model, settings: SglangSettings, resolved: Resolved) -> WindowPool:
    """Gather how requests of a model use the window pool."""
    drafts = resolved.drafts
    ahead = resolved.page
    if drafts.tokens is not None:
        ahead = drafts.tokens_ahead(resolved.page, resolved.overlap)
    return WindowPool(
        page=resolved.page,
        chunk=None if model.model_type in architectures.PROMPT_STAYS else resolved.chunk,
        interval=settings.swa_eviction_interval,
        overlap=resolved.overlap,
        radix_cache=not settings.disable_radix_cache,
        ahead=ahead,
        drafted=drafts.tokens or 1,
        beside=settings.standing.rules["beside_the_window"].value,
        on_their_way=resolved.on_their_way,
    )


def reservation(extend: int, new: int, window: int, page: int, chunk: int | None = None) -> int:
    """Tokens of the window pool that a request must find free before it is let in.

    It has `extend` tokens of prompt to read, at most `chunk` at once, and `new` to generate.
    """
    read = extend if chunk is None else min(extend, chunk)
    return max(read - window, 0) + min(extend + new, window) + page
