"""SGLang's lines about slots of recurrent state, and the requests that they bound.

Read in SGLang 0.5.23 (srt/mem_cache/memory_pool.py, srt/mem_cache/kv_cache_configurator.py).
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    figures,
    number,
    pattern,
)
from kvcalc.engines.sglang.log.run import GIB, Run

PATTERNS = (
    pattern(
        "states",
        "Cache is allocated",
        rf"max_mamba_cache_size: (?P<slots>{COUNT}), conv_state size: (?P<conv>{SIZE}) GB, "
        rf"ssm_state size: (?P<ssm>{SIZE}) GB"
        rf"(?: intermediate_ssm_state_cache size: (?P<drafted_ssm>{SIZE}) GB "
        rf"intermediate_conv_window_cache size: (?P<drafted_conv>{SIZE}) GB)?",
    ),
    pattern(
        "capped",
        "by the mamba state cache",
        rf"max_running_requests is capped to (?P<requests>{COUNT}) by the mamba state cache "
        rf"\(max_mamba_cache_size=(?P<slots>{COUNT}), (?P<each>{COUNT}) state slots per request",
    ),
    pattern(
        "no slots",
        "state cache. Computed",
        r"hybrid \(mamba/linear-attention\) state cache\. Computed max_mamba_cache_size="
        rf"-?{COUNT} \(total_rest_memory=-?{SIZE} GB, mamba_cache_per_req=(?P<slot>{SIZE}) MB",
    ),
    pattern(
        "capped",
        "too small to serve any requests",
        rf"max_mamba_cache_size=(?P<slots>{COUNT}), mamba_ratio=(?P<each>{COUNT}), "
        rf"resulting max_num_reqs=(?P<requests>{COUNT})",
    ),
)

STATES = ("mamba.conv", "mamba.temporal")
"""The buffers of which each slot has a part."""

ELEMENTS = ({"mamba_ssm_dtype": "bfloat16"}, {"mamba_ssm_dtype": "float32"})
"""Settings that may explain a size that differs."""

NO_REQUESTS = "max_running_requests is missing from the log"


def _states(run: Run, line: Found) -> Iterator[Checked]:
    """Slots of recurrent state, and what drafts need beside them for each running request."""
    slots = number(line.values["slots"])
    buffers = {
        "conv": ("conv_state size (GiB)", "mamba.conv"),
        "ssm": ("ssm_state size (GiB)", "mamba.temporal"),
        "drafted_ssm": ("intermediate_ssm_state_cache size (GiB)", "mamba.intermediate_ssm"),
        "drafted_conv": ("intermediate_conv_window_cache size (GiB)", "mamba.intermediate_conv"),
    }
    printed = figures(line, {name: label for name, (label, _) in buffers.items()})
    for name, each in printed.items():
        drafted = name.startswith("drafted")
        if run.subject.model is None or (drafted and run.requests is None):
            yield each.cannot(NO_MODEL if run.subject.model is None else NO_REQUESTS)
            continue

        def size(changes: Mapping[str, Any], name: str = name) -> Fraction:
            allocated = run.allocated(0, None, changes, slots=slots)
            return Fraction(allocated.buffers().get(buffers[name][1], 0), GIB)

        def explain(printed: Printed, size: Callable[..., Fraction] = size) -> str | None:
            return run.explain(printed, ELEMENTS, size)

        units = f"{run.requests} running requests" if drafted else f"{slots + 1:,} slots"
        yield each.against(size({}), f"{units} of all recurrent layers, one rank", explain)


def _capped(run: Run, line: Found) -> Iterator[Checked]:
    """The requests that the slots bound, and the slots that each needs."""
    printed = figures(
        line, {"requests": "max_running_requests (requests)", "each": "state slots per request"}
    )
    slots, each = (number(line.values[name]) for name in ("slots", "each"))
    ours = slots // each if each else 0
    yield printed["requests"].against(ours, f"{slots:,} slots / {each} a request, both of the log")
    if run.subject.model is None:
        yield printed["each"].cannot(NO_MODEL)
    elif (strategy := run.sizer.resolved.strategy) is None:
        yield printed["each"].cannot("the model has no recurrent layers")
    else:
        why = f"by the strategy {strategy.name} of the radix cache"
        yield printed["each"].against(strategy.slots_a_request, why)


def _no_slots(run: Run, line: Found) -> Iterator[Checked]:
    """The error of a memory without room for one slot of states, and what one takes."""
    printed = Printed(line.line, "mamba_cache_per_req (MiB)", line.values["slot"])
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    none, one = (
        sum(run.allocated(0, None, {}, slots=slots).buffers().get(name, 0) for name in STATES)
        for slots in (0, 1)
    )
    yield printed.against(Fraction(one - none, 2**20), "a slot of all recurrent layers, one rank")


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "states": _states,
    "capped": _capped,
    "no slots": _no_slots,
}
"""How each kind of line is checked."""
