"""How SGLang follows recurrent states for its radix cache (0.5.23, srt/arg_groups/overrides.py)."""

from typing import NamedTuple

from kvcalc.engines.sglang.architectures import RECURRENT, StateRules
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model

TRACK_INTERVAL = 256
"""Tokens after which a state is followed (mamba_track_interval, srt/arg_groups/fields/exec_.py)."""

BASE = 3
"""Slots a running request, besides those that follow its state for the radix cache
(srt/mem_cache/kv_cache_configurator.py, _calculate_mamba_ratio)."""


class Strategy(NamedTuple):
    """The strategy's name, and slots of state that a running request counts for."""

    name: str
    slots_a_request: int

    @property
    def extra_buffer(self) -> bool:
        """Whether states are followed in slots of their own."""
        return self.name.startswith("extra_buffer")


def strategy_of(model: Model, settings: SglangSettings, recurrent: bool) -> Strategy | None:
    """Work out the strategy; None where the model has no `recurrent` states.

    Raises:
        UnsupportedError: a strategy that SGLang refuses with the other settings.
    """
    row = RECURRENT.get(model.model_type or "", StateRules())
    name = settings.mamba_radix_cache_strategy
    followed = settings.disable_radix_cache or (recurrent and row.radix)
    if not followed and name.startswith("extra_buffer"):
        raise UnsupportedError.of(
            "mamba_radix_cache_strategy",
            f"found {name}, but the radix cache keeps no states of {model.name} on sglang",
        )
    if not recurrent:
        return None
    if settings.disable_radix_cache:
        return Strategy("off", 1)
    if not row.radix:
        return Strategy("auto", BASE)
    overlap = not settings.disable_overlap_schedule
    paged = settings.page_size not in (None, 1)
    if name == "auto":
        buffered = (overlap or paged) and row.extra_buffer
        name = "extra_buffer" if buffered else "no_buffer"
        overlap = overlap and buffered
    if name != "no_buffer":
        return _buffered(model, settings, name, overlap)
    if paged or overlap:
        wanted = "page_size 1" if paged else "disable_overlap_schedule"
        raise UnsupportedError.of(
            "mamba_radix_cache_strategy", f"no_buffer needs {wanted} on sglang"
        )
    return Strategy("no_buffer", BASE)


def _buffered(model: Model, settings: SglangSettings, name: str, overlap: bool) -> Strategy:
    """States followed in slots of their own: two with overlap, the second later if lazy."""
    if not RECURRENT.get(model.model_type or "", StateRules()).extra_buffer:
        raise UnsupportedError.of(
            "mamba_radix_cache_strategy",
            f"found {name}, expected no_buffer for {model.model_type} on sglang",
        )
    if TRACK_INTERVAL % (settings.page_size or 1):
        raise UnsupportedError.of(
            "page_size",
            f"found {settings.page_size}, expected a divisor of the {TRACK_INTERVAL}"
            " tokens after which a state is followed on sglang",
        )
    lazy = name == "extra_buffer_lazy"
    if lazy and not overlap:
        raise UnsupportedError.of(
            "mamba_radix_cache_strategy", "extra_buffer_lazy excludes disable_overlap_schedule"
        )
    return Strategy(name, BASE + (2 if overlap and not lazy else 1))
