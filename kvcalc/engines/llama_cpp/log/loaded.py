"""What llama.cpp's log says that it loads of a file, buffer by buffer.

src/llama-model.cpp (load_tensors) of 2026-10-01, and as older versions had it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from kvcalc.engines.llama_cpp.log.run import Run
from kvcalc.engines.llama_cpp.weights import ALIGNMENT, HEAD, dealt, on_a_device
from kvcalc.engines.log import (
    CANNOT,
    COUNT,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    pattern,
)
from kvcalc.errors import UnsupportedError
from kvcalc.parameters.gguf_mixes import MIXES
from kvcalc.parameters.quantized_gguf import mixed
from kvcalc.parameters.stored import Stored

DEVICE = r"[A-Za-z][A-Za-z0-9_-]{0,30}(?:\[[^\]]{1,80}\])?"
"""A buffer's name: CUDA0, CPU_Mapped, HTP0-REPACK, or RPC with an address."""

FILE_TYPE = r"(?P<value>[A-Z0-9_]{2,8}(?: - (?:Small|Medium|Large))?)"

PATTERNS = (
    pattern("file type", "file type", f"print_info: file type = {FILE_TYPE}"),
    pattern("file type", "model ftype", f"llm_load_print_meta: model ftype = {FILE_TYPE}"),
    pattern(
        "offloaded",
        "load_tensors: offloaded",
        rf"load_tensors: offloaded (?P<value>{COUNT})/{COUNT} layers to GPU",
    ),
    pattern(
        "model buffer",
        " buffer size = ",
        rf"load_tensors: (?P<device>{DEVICE}) (?:model )?buffer size = (?P<size>{SIZE}) MiB",
    ),
)

MIB = 2**20

HOST = re.compile(r"CPU|[A-Za-z]{1,20}_Host|AMX")
"""The beginning of a buffer's name that is in main memory."""

REPACKED = re.compile(r"AMX|CPU_(?!Mapped)")
"""Buffers of what the processor's own kernels read in another order, which its kind decides."""

REPACKED_DEVICE = "-REPACK"
"""The end of the name of what a device reads in another order
(docs/backend/snapdragon/developer.md)."""

MAPPED = "_Mapped"
"""The end of a buffer's name that is a part of the file, from its first tensor to its last."""

PADDED = re.compile(r"CUDA|ROCm|MUSA")
"""The beginning of a device's name that pads rows (ggml/src/ggml-cuda)."""

TRIED = "nothing was loaded, as where --fit tries how much fits (no_alloc)"
NO_TENSORS = "the file's tensors are missing: give --model and its .gguf"
SHARED = "how devices share rows (split_mode row, tensor) is not known"
SCATTERED = "where the file's tensors stand is missing: give --model and its .gguf"
OF_THE_PROCESSOR = "which tensors are packed again depends on the processor"
OTHERWISE = "the file is not as llama-quantize mixes one: give --model and its .gguf"


class Part(NamedTuple):
    """Tensors that some buffers hold: of their bytes the least and the most, and words."""

    low: int
    high: int
    words: str


def is_host(line: Found) -> bool:
    """Whether a buffer is in main memory."""
    return HOST.match(line.values["device"]) is not None


def layers_on_devices(run: Run) -> int | None:
    """How many layers are on devices: as given, else as the log says; None for all."""
    own = run.settings({}).n_gpu_layers
    return own if own is not None or "offloaded" not in run.facts else int(run.facts["offloaded"])


PRINTED = {"Q2_K - Medium": "Q2_K", "IQ3_S mix": "IQ3_M", "MXFP4 MoE": "MXFP4_MOE"}
"""Mixtures that are printed under another name (src/llama-model-loader.cpp)."""

BITS_A_WEIGHT = re.compile(r" - [0-9.]+ bpw.*$")
LETTER = re.compile(r"\s*-\s*([SML])[a-z]+")


def mixture(text: str) -> str:
    """Name the mixture that a log prints, as "Q4_K - Medium" or "IQ4_XS - 4.25 bpw"."""
    printed = BITS_A_WEIGHT.sub("", text.removeprefix("(guessed) "))
    return PRINTED.get(printed) or LETTER.sub(r"_\1", printed)


def tensors(run: Run) -> tuple[Stored, ...]:
    """The file's tensors: those at hand, else those of the mixture that the log names; or none.

    Raises:
        UnsupportedError: what the mixture makes of the model is not known.
    """
    subject = run.subject
    name = mixture(run.facts.get("file type", ""))
    if subject.stored or subject.model is None or name not in MIXES:
        return subject.stored
    of = subject.model
    return tuple(mixed(name, of.tensors or (), of.model_type, len(of.layers)))


def check(run: Run) -> Iterator[Checked]:
    """Hold the buffers of each load against the tensors that belong there."""
    for is_buffer, lines in groupby(run.found, key=lambda line: line.kind == "model buffer"):
        if is_buffer:
            yield from _loaded(run, list(lines))


def _loaded(run: Run, lines: Sequence[Found]) -> Iterator[Checked]:
    if run.subject.model is None:
        yield from (_printed(line).cannot(NO_MODEL) for line in lines)
        return
    try:
        stored = tensors(run)
        missing = None if stored else NO_TENSORS
    except UnsupportedError as error:
        stored, missing = (), str(error)
    settings = run.settings({})
    if settings.split_mode in ("row", "tensor"):
        missing = SHARED
    if any(line.values["device"].endswith(REPACKED_DEVICE) for line in lines):
        missing = OF_THE_PROCESSOR
    if missing is not None:
        yield from (_printed(line).cannot(missing) for line in lines)
        return
    on_devices = [line for line in lines if not is_host(line)]
    layers = layers_on_devices(run) if on_devices else 0
    devices, main = dealt(settings.model_copy(update={"n_gpu_layers": layers}), stored)
    if len(devices) != len(on_devices):
        devices = [[tensor for device in devices for tensor in device]]
    whole = len(main) == len(stored)
    for row in (*_devices(on_devices, devices), *_main(lines, main, whole=whole)):
        guessed = row.verdict == DIFFERS and not run.subject.stored
        yield replace(row, ours=None, verdict=CANNOT, why=OTHERWISE) if guessed else row


def _devices(lines: Sequence[Found], devices: Sequence[Sequence[Stored]]) -> Iterator[Checked]:
    """Each device's buffer, or all together where how layers are dealt is not known."""
    if len(lines) == len(devices):
        for line, held in zip(lines, devices, strict=True):
            yield from _held([line], _part([line], held))
    elif lines:
        yield from _held(lines, _part(lines, devices[0]))


def _main(lines: Sequence[Found], held: Sequence[Stored], *, whole: bool) -> Iterator[Checked]:
    """The buffers in main memory: of a mapped file what lies between its first and last tensor."""
    again = [line for line in lines if REPACKED.match(line.values["device"])]
    yield from (_printed(line).cannot(OF_THE_PROCESSOR) for line in again)
    mapped = [line for line in lines if is_host(line) and line.values["device"].endswith(MAPPED)]
    copied = [line for line in lines if is_host(line) and line not in (*mapped, *again)]
    if copied:
        yield from _held(copied, _summed(held, padded=False, partly=bool(mapped or again)))
    if mapped:
        span = _span(held, whole=whole)
        yield from _held(mapped, span._replace(low=0) if span and (again or copied) else span)


def _part(lines: Sequence[Found], held: Sequence[Stored]) -> Part | None:
    names = [line.values["device"] for line in lines]
    if any(name.endswith(MAPPED) for name in names):
        return _span(held)
    return _summed(held, padded=all(map(PADDED.match, names)))


def _summed(held: Sequence[Stored], *, padded: bool, partly: bool = False) -> Part:
    least = sum(tensor.bytes for tensor in held)
    most = sum(on_a_device(tensor) for tensor in held)
    return Part(0 if partly else most if padded else least, most, f"{len(held):,} tensors")


def _span(held: Sequence[Stored], *, whole: bool = False) -> Part | None:
    """What lies between the first and the last tensor of each file; None where that is unknown.

    Of a file that is `whole` these are all of its tensors, each at a multiple of a few bytes.
    """
    if whole and any(tensor.start is None for tensor in held):
        least = sum(tensor.bytes for tensor in held)
        return Part(least, least + ALIGNMENT * len(held), f"a file of {len(held):,} tensors")
    size = 0
    for _, of_file in groupby(sorted(held, key=lambda one: one.file), key=lambda one: one.file):
        tensors = list(of_file)
        starts = [one.start for one in tensors if one.start is not None]
        if len(starts) == len(tensors):
            size += max(start + one.bytes for start, one in zip(starts, tensors, strict=True))
            size -= min(starts)
        elif len({one.name for one in tensors} - {HEAD}) == 1:
            size += tensors[0].bytes
        else:
            return None
    return Part(size, size, f"a file from the first to the last of {len(held):,} tensors")


def _held(lines: Sequence[Found], part: Part | None) -> Iterator[Checked]:
    """Hold buffers together against what they have."""
    if part is None:
        yield from (_printed(line).cannot(SCATTERED) for line in lines)
        return
    together = f"{len(lines)} buffers together, " if len(lines) > 1 else ""
    total = sum(_printed(line).value for line in lines)
    printed = _printed(lines[-1])._replace(text=f"{float(total):.2f}")
    if not total and part.low >= MIB:
        yield printed.cannot(TRIED)
        return
    loose = (len(lines) - 1) * MIB // 100
    why = f"{together}{part.words}"
    yield printed.within(part.high, part.low - loose, part.high + loose, MIB, why)


def _printed(line: Found) -> Printed:
    name = f"{line.values['device']} model buffer size (MiB)"
    return Printed(line.line, name, line.values["size"])
