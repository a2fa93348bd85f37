"""How SGLang divides a memory among its pools at its start.

Source: SGLang 0.5.23, srt/model_executor/pool_configurator.py (the four configurators) and
srt/mem_cache/kv_cache_configurator.py (config_from_budget, resolve_max_num_reqs). SGLang keeps
its ratio as a float; so does this, where it enters.
"""

from dataclasses import dataclass
from typing import Any

from kvcalc.engines.sglang import states
from kvcalc.engines.sglang.architectures import Traits
from kvcalc.engines.sglang.buffers import FULL, REQUEST, SLOT, WINDOW, latent
from kvcalc.engines.sglang.layout import Layout
from kvcalc.engines.sglang.resolved import Resolved
from kvcalc.engines.sglang.rules import Shared
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.window_pool import WindowPool, reservation
from kvcalc.errors import TooLittleMemoryError
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model

ESTIMATE = 512
LEAST_REQUESTS, MOST_REQUESTS = 2048, 4096
"""Requests of the whole context that a pool is taken to run 512 times over, within bounds."""


@dataclass(frozen=True)
class PoolSizes:
    """Sizes of the pools: tokens of the full and of the window pool, slots, running requests.

    `window` is None without a window pool, `slots` without recurrent states; `left` is the bytes
    that states leave for the pool. `full` is 0 where all layers slide.
    """

    full: int
    window: int | None
    slots: int | None
    left: int | None
    requests: int

    @property
    def tokens(self) -> int:
        """SGLang's max_total_num_tokens."""
        return self.full if self.full or self.window is None else self.window


def share_of_full(full: int, ratio: float, page: int) -> int:
    """Tokens of the window pool, in whole pages, as a share of those of the full pool."""
    return int(full * ratio) // page * page


@dataclass(frozen=True)
class PoolSizer:
    """The sizes of the pools of one model with its settings."""

    model: Model
    settings: SglangSettings
    resolved: Resolved
    layout: Layout
    window_pool: WindowPool
    traits: Traits
    context: int

    def sizes(self, memory: int) -> PoolSizes:
        """Divide that many bytes among the pools.

        Raises:
            TooLittleMemoryError: they are too few.
        """
        slots = left = None
        budget = memory
        if self.traits.recurrent:
            slot = self.layout.bytes_of(SLOT)
            slots, left = states.slots(memory, slot, self.settings, self.resolved)
            budget = left
        full, window = self._of_budget(budget)
        tokens = full or window or 0
        if tokens <= 0:
            raise TooLittleMemoryError(
                f"memory: found {memory:,} bytes, too few for one page of "
                f"{self.resolved.page} tokens of {self.model.name} on sglang"
            )
        self._require_window(full, window)
        return PoolSizes(full, window, slots, left, self.requests(tokens, slots))

    def _of_budget(self, budget: int) -> tuple[int, int | None]:
        """Tokens of the pools that a budget gives."""
        page, most = self.resolved.page, self.settings.max_total_tokens
        if self.traits.compressed:
            tokens = self._at_most(self.compressed(budget)[0])
            return tokens, self._of_full(tokens)
        full, window = (self.layout.bytes_of(pool) // page for pool in (FULL, WINDOW))
        if not window:
            if not full:
                return most or self.context, None
            return self._at_most(budget // (full - self._uncounted) // page * page), None
        if not self._full_layers:
            return 0, self._at_most(budget // (full + window) // page * page)
        if self._request_capped:
            cap = self._cap
            tokens = (budget - cap * window) // full // page * page
            if tokens <= 0:
                raise TooLittleMemoryError(
                    f"memory: found {budget:,} bytes, but the window pool of "
                    f"max_running_requests {self.resolved.max_running_requests} takes "
                    f"{cap * window:,} of them; lower it, swa_eviction_interval or "
                    "chunked_prefill_size"
                )
            capped = self._at_most(tokens)
            return capped, cap if capped == tokens or most is None else min(cap, most)
        shared = Shared(budget, full, window, self.resolved.ratio, page, most)
        tokens = self._rule("two_pools")(shared)
        return tokens, self._of_full(tokens)

    def compressed(self, budget: int) -> tuple[int, int]:
        """DeepSeek V4's pools of a budget of bytes: the states of its requests come off first."""
        page, requests = self.resolved.page, self.resolved.requests_a_group or 1
        budget -= self._allocated(REQUEST, requests)
        full, window = (self.layout.bytes_of(pool) / page for pool in (FULL, WINDOW))
        tokens = int(max(budget, 0) / (full + self.resolved.ratio * window)) // page * page
        return tokens, self._of_full(tokens)

    def window_beside(self, full: int) -> int:
        """Tokens of the window pool beside that many of the full pool."""
        if not self._request_capped:
            return self._of_full(full)
        most = self.settings.max_total_tokens
        capped = most is not None and full == most // self.resolved.page * self.resolved.page
        return min(self._cap, most) if capped and most is not None else self._cap

    def _of_full(self, full: int) -> int:
        return share_of_full(full, self.resolved.ratio, self.resolved.page)

    def _rule(self, name: str) -> Any:
        return self.settings.standing.rules[name].value

    def _at_most(self, tokens: int) -> int:
        """The tokens, where max_total_tokens is no fewer; else those of its pages."""
        page, most = self.resolved.page, self.settings.max_total_tokens
        return tokens if most is None else min(tokens, most // page * page)

    @property
    def _uncounted(self) -> int:
        """Bytes of a token that are stored and not counted: the scales of sparse rows."""
        if self._rule("scales_counted") or not self.traits.sparse:
            return 0
        form, ranks = self.resolved.format, self.resolved.ranks
        scaled, plain = (
            sum(
                count * row.bytes
                for cache, count in self.model.caches
                if isinstance(cache, LatentAttention)
                for row in latent(cache, form, ranks, with_scales)
            )
            for with_scales in (True, False)
        )
        return scaled - plain

    @property
    def _full_layers(self) -> int:
        return sum(
            group.layers
            for group in self.layout.groups
            if any(buffer.pool == FULL for buffer in group.buffers)
        )

    @property
    def _request_capped(self) -> bool:
        """Whether the window pool is sized by the running requests that are set."""
        return (
            self._rule("sized_by_requests")
            and self.settings.disable_radix_cache
            and self.resolved.max_running_requests is not None
            and (self.resolved.chunk is not None or self.resolved.on_their_way is not None)
            and not self.traits.compressed
        )

    @property
    def _cap(self) -> int:
        """Tokens that running requests can take of the window pool, in whole pages."""
        window, requests = self.layout.window_tokens, self.resolved.requests_a_group
        assert window is not None
        assert requests is not None
        cap = self.window_pool.cap(window, requests)
        return -(-cap // self.resolved.page) * self.resolved.page

    def _require_window(self, full: int, window: int | None) -> None:
        if full and window is not None and self._rule("room_asked") and not self._request_capped:
            assert self.layout.window_tokens is not None
            floor = reservation(
                self.layout.window_tokens, 0, self.layout.window_tokens, self.resolved.page
            )
            if window <= floor:
                raise TooLittleMemoryError(
                    f"memory: the window pool gets {window} tokens, and one request needs more "
                    f"than {floor}; raise swa_full_tokens_ratio or the memory"
                )

    def requests(self, tokens: int, slots: int | None) -> int:
        """Running requests of one attention group (resolve_max_num_reqs)."""
        estimate = int(tokens / self.context * ESTIMATE)
        estimate = max(min(estimate, MOST_REQUESTS), LEAST_REQUESTS)
        requests: int = self._rule("running")(self.resolved.requests_a_group, estimate, tokens)
        if slots is not None:
            assert self.resolved.strategy is not None
            requests = min(requests, slots // self.resolved.strategy.slots_a_request)
            if slots < self.resolved.strategy.slots_a_request:
                raise TooLittleMemoryError(
                    f"memory: found room for {slots} slots of recurrent state, fewer than the "
                    f"{self.resolved.strategy.slots_a_request} of one request on sglang"
                )
        return requests

    def _allocated(self, pool: str, units: int) -> int:
        return units * self.layout.bytes_of(pool) + self.layout.spare_of(pool)
