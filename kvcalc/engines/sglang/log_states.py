"""SGLang's lines about slots of recurrent state, and the requests that they bound.

Read in SGLang 0.5.23 (srt/mem_cache/memory_pool.py, srt/mem_cache/kv_cache_configurator.py).
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    figures,
    first_that_agrees,
    number,
    pattern,
)
from kvcalc.engines.sglang.log_run import GIB, Run

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
)

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
            return first_that_agrees(
                printed,
                (
                    (f"mamba_ssm_dtype={of}", partial(size, {"mamba_ssm_dtype": of}))
                    for of in ("bfloat16", "float32")
                ),
            )

        units = f"{run.requests} running requests" if drafted else f"{slots + 1:,} slots"
        yield each.held(size({}), f"{units} of all recurrent layers, one rank", explain)


def _capped(run: Run, line: Found) -> Iterator[Checked]:
    """The requests that the slots bound, and the slots that each needs."""
    printed = figures(
        line, {"requests": "max_running_requests (requests)", "each": "state slots per request"}
    )
    slots, each = (number(line.values[name]) for name in ("slots", "each"))
    ours = slots // each if each else 0
    yield printed["requests"].held(ours, f"{slots:,} slots / {each} a request, both of the log")
    if run.subject.model is None:
        yield printed["each"].cannot(NO_MODEL)
    elif (strategy := run.sizer.resolved.strategy) is None:
        yield printed["each"].cannot("the model has no recurrent layers")
    else:
        why = f"by the strategy {strategy.name} of the radix cache"
        yield printed["each"].held(strategy.slots_a_request, why)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "states": _states,
    "capped": _capped,
}
"""How each kind of line is checked."""
