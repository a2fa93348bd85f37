"""What vLLM's log says of the memory that its pool gets, and what it proposes for the next start.

v1/worker/gpu_worker.py and v1/worker/startup_plan.py of 0.33.0, and as older versions had them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from math import floor

from kvcalc.engines.log import (
    AGREES,
    COUNT,
    DIFFERS,
    SIZE,
    Checked,
    Found,
    Printed,
    Remedy,
    pattern,
)
from kvcalc.engines.server.writer import flag
from kvcalc.engines.vllm.log.parts import SHARE
from kvcalc.engines.vllm.log.remedies import Failed, most_needed
from kvcalc.engines.vllm.log.run import GIB, GIB_PLACES, Run

PATTERNS = (
    pattern(
        "available", "KV cache memory", rf"Available KV cache memory [:=] (?P<gib>-?{SIZE}) GiB"
    ),
    pattern(
        "available",
        "memory for KV Cache as specified",
        rf"reserved (?P<gib>{SIZE}) GiB memory for KV Cache as (?P<by>specified) by "
        r"kv_cache_memory_bytes",
    ),
    pattern(
        "available",
        "Current kv cache memory in use",
        rf"Current kv cache memory in use is (?P<gib>{SIZE}) GiB",
    ),
    pattern(
        "available",
        "reserved for KV Cache is",
        rf"rest of the memory reserved for KV Cache is (?:only )?(?P<gib>{SIZE}) ?GiB",
    ),
    pattern("available", "Memory profiling results:", rf"kv_cache_size=(?P<gib>{SIZE}) ?GiB"),
    pattern("free", "nitial free memory", rf"[Ii]nitial free memory[:=]? (?P<free>{SIZE}) GiB"),
    pattern("arguments", "startup plan", rf"(?P<config>kv_cache_memory_bytes={COUNT}) \("),
    pattern(
        "proposed",
        "--kv-cache-memory=",
        rf"device \((?P<free>{SIZE})/.{{0,80}}utilization is \([0-9.]{{1,20}}, "
        rf"(?P<share>{SIZE}) GiB\).{{0,20}}Actual usage is (?P<used>.{{0,300}}?)\. Replace"
        rf".{{0,80}}--kv-cache-memory=(?P<in_share>-?{COUNT})`"
        rf".{{0,80}}--kv-cache-memory=(?P<in_all>-?{COUNT})`",
    ),
    pattern(
        "not free",
        "less than desired GPU memory",
        rf"\((?P<free>{SIZE})/(?P<all>{SIZE}) GiB\) on startup is less than desired GPU memory "
        rf"utilization \((?P<share>{SHARE}), (?P<asked>{SIZE}) GiB\)",
    ),
    pattern("no memory", "No available memory for", r"No available memory for the cache blocks"),
)

RESERVE = 150 * 2**20
"""Bytes that a proposal leaves free (redundancy_buffer_memory, in all releases from 0.11.2)."""


def _proposed(run: Run, line: Found) -> Iterator[Checked]:
    """The memory that a start with --kv-cache-memory may have: what is free without the rest."""
    used = [
        Printed(0, "", size, GIB_PLACES)
        for size in re.findall(f"({SIZE}) GiB", line.values["used"])
    ]
    for name, of, what in (
        ("in_share", "share", "the share"),
        ("in_all", "free", "all that is free"),
    ):
        printed = Printed(line.line, f"--kv-cache-memory for {what} (bytes)", line.values[name])
        of_all = Printed(0, "", line.values[of], GIB_PLACES)
        ours = int((of_all.value - sum(one.value for one in used)) * GIB) - RESERVE
        rounded = GIB * sum(one.half_step for one in (of_all, *used))
        sizes = " - ".join(one.text for one in (of_all, *used))
        why = f"{sizes} GiB, all of the log and rounded, - {RESERVE:,} B"
        near = abs(printed.value - ours) <= rounded + 1
        yield printed.row(ours, AGREES, why) if near else printed.against(ours, why)


def _no_memory(run: Run, line: Found) -> Iterator[Checked]:
    """The error of a memory in which nothing is left; what one request needs can be said."""
    memory = Printed(line.line, "memory left for the cache (GiB)", run.memory or "0", GIB_PLACES)
    why = "vllm stops before it plans a pool where weights and activations leave nothing"
    remedies: tuple[Remedy, ...] = ()
    if run.subject.model is not None and run.context is not None:
        needed = Fraction(most_needed(run.pool, run.context), GIB)
        why += f"; one request of {run.context:,} tokens needs {float(needed):.2f} GiB"
        if run.memory is not None:
            remedies = Failed(run, memory, run.context, most_needed).remedies()
    if run.memory is None:
        yield memory.cannot(why)
        return
    least, _ = run.bytes_of(memory)
    verdict = AGREES if least <= 0 else DIFFERS
    row = memory.row(min(memory.value, Fraction(0)), verdict, why)
    yield replace(row, remedies=remedies)


def _not_free(_: Run, line: Found) -> Iterator[Checked]:
    """The error of a share of the memory that others have taken some of (request_memory)."""
    from kvcalc.engines.vllm.server import SERVER

    asked, of_all, free = (
        Printed(line.line, "requested memory (GiB)", line.values[name], GIB_PLACES)
        for name in ("asked", "all", "free")
    )
    share = Fraction(line.values["share"])
    ours, why = share * of_all.value, f"{line.values['share']} x {of_all.text} GiB, both of the log"
    near = abs(asked.value - ours) <= asked.half_step + of_all.half_step
    row = asked.row(ours, AGREES, why) if near else asked.against(ours, why)
    most = floor(100 * (free.value - free.half_step) / (of_all.value + of_all.half_step))
    words = flag(SERVER, "share", Fraction(most, 100)) if most > 0 else None
    then = (
        f"asks for {float(Fraction(most, 100) * of_all.value):.2f} of {free.text} GiB that are free"
    )
    yield replace(row, remedies=(Remedy(words, then),) if words else ())


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "proposed": _proposed,
    "no memory": _no_memory,
    "not free": _not_free,
}
"""How each kind of line is checked."""
