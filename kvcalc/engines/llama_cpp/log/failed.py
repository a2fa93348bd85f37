"""llama.cpp's lines about a buffer that a device has no room for, and what would have fitted.

src/llama-kv-cache.cpp, src/llama-model.cpp, src/llama.cpp and ggml/src/ggml-alloc.c of 2026-10-01,
and as older versions had them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache

from kvcalc.engines.llama_cpp.cost import cost
from kvcalc.engines.llama_cpp.log.buffers import MIB, buffer_bytes, dealt_unsaid, places_of
from kvcalc.engines.llama_cpp.log.run import FULL, NO_CONTEXT, Run
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.llama_cpp.start_up import parts
from kvcalc.engines.log import (
    AGREES,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Changes,
    Checked,
    Found,
    Printed,
    Remedy,
    number,
    pattern,
)
from kvcalc.engines.log_remedies import least
from kvcalc.engines.memory import Card, Free
from kvcalc.formula.formula import Formula
from kvcalc.formula.inverse import largest
from kvcalc.units import plural

DEVICE = r"(?P<device>[A-Za-z]{1,20}[0-9]{0,3})"
BYTES = "[0-9]{1,18}"

PATTERNS = (
    pattern(
        "failed",
        "failed to allocate",
        rf"failed to allocate {DEVICE} buffer of size (?P<size>{BYTES})",
    ),
    *(
        pattern("refused", needle, regex)
        for needle, regex in (
            (
                "cudaMalloc failed",
                rf"allocating (?P<mib>{SIZE}) MiB on device (?P<number>[0-9]{{1,3}}): "
                r"(?P<backend>cuda)Malloc failed",
            ),
            ("Device memory", rf"Device memory allocation of size (?P<size>{BYTES}) failed"),
            (
                "cpu_buffer_type",
                r"cpu_buffer_type_alloc_buffer: failed to allocate buffer of size "
                rf"(?P<main>{BYTES})",
            ),
        )
    ),
    pattern("no cache", "for kv cache", r"failed to allocate buffer for kv cache"),
    pattern("no weights", "unable to allocate", r"unable to allocate \w{1,30} buffer"),
    pattern("no graph", "compute buffers", r"failed to allocate compute buffers"),
    pattern(
        "device",
        "using device",
        rf"using device {DEVICE} \(.{{1,120}}?\) - (?P<free>[0-9]{{1,9}}) MiB free",
    ),
    pattern("name", "general.name", r"general\.name (?:str )?= (?P<named>\S.{0,99})"),
)

OTHERS = {
    "no weights": "the weights: kvcalc does not know which of them are on this device",
    "no graph": "what a graph computes in, which kvcalc does not count",
}
"""What else a buffer is of, by the line that follows."""

MAIN_MEMORY_PADDING = 32
"""Bytes that older versions asked main memory for beside each buffer, to align it
(ggml-backend.c before #9875, TENSOR_ALIGNMENT)."""

OF_CUDA = ("CUDA", "ROCm", "MUSA")
"""What CUDA's backend may name its devices (ggml/include/ggml-cuda.h, GGML_CUDA_NAME)."""

SHARED = (
    "all layers' are {ours:,} bytes, and which of them this device holds is not said: give "
    "n_gpu_layers and tensor_split"
)

ANY_CARD, ANY_ROOM = Card("", 0, 0), Free(0, Fraction(1))
"""The graph's buffer depends on neither."""

SMALLER_TYPES = ("q8_0", "q4_0")
UBATCHES = (2048, 1024, 512, 256, 128)


def _refused(run: Run, line: Found) -> Iterator[Checked]:
    """A buffer that older builds name in no other line; where the next says it again, nothing."""
    at = run.found.index(line)
    kind = next((one.kind for one in run.found[at + 1 : at + 2]), "")
    if kind == "no cache" or kind in OTHERS:
        yield from _failed(run, line)
    elif kind != "failed":
        yield _printed(line).cannot("no line after it says what it is of")


def _failed(run: Run, line: Found) -> Iterator[Checked]:
    """The buffer that a device had no room for: of the cache, unless a line after it says else."""
    printed = _printed(line)
    after = run.found[run.found.index(line) :]
    if (of := next((OTHERS[one.kind] for one in after if one.kind in OTHERS), None)) is not None:
        yield printed.cannot(f"it is of {of}")
        return
    total = run.total()
    if run.subject.model is None or total is None:
        yield printed.cannot(NO_MODEL if total else NO_CONTEXT)
        return
    settings = run.settings({})
    streams = 1 if settings.own("kv_unified") else run.sequences
    memory, cells = run.creating or (FULL, run.full_cells(total // run.sequences))
    places = places_of(run, memory, settings)
    of_places = [
        buffer_bytes(run, memory, streams * cells, settings, layers, line) for layers in places
    ]
    padding = (0, MAIN_MEMORY_PADDING) if "main" in line.values else (0,)
    unit = MIB if "mib" in line.values else 1
    sizes = [Fraction(size + more, unit) for size in of_places for more in padding]
    ours = min(sizes, key=lambda size: abs(size - printed.value))
    row = printed.against(
        ours, f"{plural(streams, 'stream')} x {cells:,} cells of {run.words(memory)}"
    )
    if row.verdict == AGREES and (room := _room(run, line)) is not None:
        row = replace(row, remedies=_remedies(run, total, room))
    if row.verdict == DIFFERS and printed.value < ours and dealt_unsaid(settings):
        row = printed.cannot(SHARED.format(ours=of_places[0]))
    yield row


def _printed(line: Found) -> Printed:
    values = line.values
    if "mib" in values:
        return Printed(line.line, "buffer that failed (MiB)", values["mib"])
    size = values["size"] if "size" in values else values["main"]
    return Printed(line.line, "buffer that failed (bytes)", size)


def _room(run: Run, failed: Found) -> int | None:
    """Bytes that the weights leave free on a device, at the least; None where that is not said."""
    values = failed.values
    devices = [values["device"]] if "device" in values else []
    if "number" in values:
        devices = [f"{name}{values['number']}" for name in OF_CUDA]
    free = [one.values["free"] for one in run.found if _is_of(one, "device", devices)]
    weights = [
        Printed(0, "", one.values["size"])
        for one in run.found
        if _is_of(one, "model buffer", devices)
    ]
    if not free or not weights:
        return None
    taken = sum(one.value + one.half_step for one in weights)
    return int((number(free[-1]) - taken) * MIB)


def _is_of(line: Found, kind: str, devices: Collection[str]) -> bool:
    return line.kind == kind and line.values["device"] in devices


def _remedies(run: Run, total: int, room: int) -> tuple[Remedy, ...]:
    """The least change of each kind with which caches and graph fit where the weights leave room.

    Of the graph's buffer the most counts that it may take.
    """
    from kvcalc.engines.llama_cpp.server import SERVER

    assert run.subject.model is not None
    model = run.subject.model

    @cache
    def worked_out(settings: LlamaCppSettings) -> tuple[Formula, int]:
        caches = cost(model, settings).per_gpu
        (graph,) = parts(model, settings, ANY_CARD, ANY_ROOM)
        return caches, sum(part.high for part in graph)

    def need(changes: Changes) -> int:
        given = dict(changes)
        tokens, count = given.pop("context", total), given.pop("sequences", run.sequences)
        caches, graph = worked_out(run.settings(given))
        size: int = caches(tokens // count, sequences=count)
        return size + graph

    def starts(changes: Changes) -> str | None:
        needed = need(changes)
        if needed > room:
            return None
        return f"needs up to {needed / MIB:,.2f} of {room / MIB:,.2f} MiB, its graph included"

    longest = largest(
        lambda tokens: need({"context": tokens * run.sequences}) <= room,
        total // run.sequences - 1,
    )
    kinds: Sequence[Sequence[Changes]] = (
        [{"ubatch_size": size} for size in UBATCHES if size < run.settings({}).ubatch_size],
        [{"kv_cache_dtype": name} for name in SMALLER_TYPES],
        [{"sequences": count} for count in range(run.sequences - 1, 0, -1)],
        [{"context": longest // 256 * 256 * run.sequences}] if longest >= 256 else [],
        [{"offload_kqv": False}],
    )
    return least(kinds, starts, SERVER, model)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "failed": _failed,
    "refused": _refused,
}
"""How each kind of line is checked."""
