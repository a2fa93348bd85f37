"""The buffers that llama.cpp's memories have on devices, each with a line of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from kvcalc.engines.llama_cpp.devices import devices, left_in_main_memory
from kvcalc.engines.llama_cpp.layer_rules import LayerRules
from kvcalc.engines.llama_cpp.log.run import CACHES, FULL, SLIDING, Run
from kvcalc.engines.llama_cpp.memories import CellRow
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.log import (
    AGREES,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    number,
    pattern,
)
from kvcalc.layers.layer import Layer

PATTERNS = (
    pattern(
        "buffer",
        " buffer size = ",
        r"(?<!\))(?<!\)\s)(?:(?P<backend>CUDA|ROCm|MUSA)[0-9]{1,3} )?"
        rf"(?P<of>KV|RS|DSV4 (?:csa|hca|lid) state) buffer size = (?P<size>{SIZE}) MiB",
    ),
    pattern(
        "share",
        "Meta()",
        r"Meta\(\) (?P<of>KV|RS|DSV4 (?:csa|hca|lid) state|model|compute) buffer size = "
        rf"(?P<size>{SIZE}) MiB",
    ),
)

OF_SEVERAL = "one share of what devices divide (split_mode tensor): the others are missing"
NO_CELLS = "the cells that the buffer holds are missing"
NO_MEMORY = "the line about the memory that the buffer is of is missing"

ROW_PADDING = 512
"""Elements that CUDA's kernels read quantised rows in: the last row of a tensor is padded to whole
ones (ggml/src/ggml-cuda/common.cuh, MATRIX_ROW_PADDING)."""

NOTHING_ALLOCATED = "nothing was allocated, as where --fit tries a context (no_alloc)"

MIB = 2**20


def held(run: Run, memory: str, cells: int, changes: Mapping[str, Any]) -> Iterator[Checked]:
    """Hold the buffers read last against a memory of that many cells in all its streams.

    Where the settings say how layers are dealt, each against its device's; else all together.
    """
    lines, run.buffered = run.buffered, []
    settings = run.settings(changes)
    places = places_of(run, memory, settings)
    if len(places) == len(lines):
        for line, layers in zip(lines, places, strict=True):
            size = buffer_bytes(run, memory, cells, settings, layers, line)
            yield _held(_printed(line), Fraction(size, MIB), _why(run, memory, cells, layers))
    elif lines:
        layers = run.loaded.layers
        ours = buffer_bytes(run, memory, cells, settings, layers, lines[0])
        yield together(lines, ours, _why(run, memory, cells, layers))


def together(lines: Sequence[Found], size: int, why: str) -> Checked:
    """Hold several buffers against a size in bytes."""
    ours = Fraction(size, MIB)
    total = sum(Fraction(line.values["size"]) for line in lines)
    printed = _printed(lines[-1])._replace(text=f"{float(total):.2f}")
    why = f"{len(lines)} buffers together, {why}"
    if abs(total - ours) <= len(lines) * printed.half_step:
        return printed.row(ours, AGREES, why)
    return _held(printed, ours, why)


def _held(printed: Printed, ours: Fraction, why: str) -> Checked:
    """Hold a buffer against ours; of a context that was only tried it has no bytes."""
    if printed.value == 0 and ours >= 1:
        return printed.cannot(NOTHING_ALLOCATED)
    return printed.against(ours, why)


def flush(run: Run) -> Iterator[Checked]:
    """Hold the buffers that no line about their memory follows against the one announced.

    Without one it may be of the whole context, where no layer has another memory, or else of a
    part that other devices' lines complete.
    """
    if not run.buffered:
        return
    printed = _printed(run.buffered[-1])
    cells = number(run.facts.get("n_ctx", "0"))
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
    elif run.buffered[-1].values["of"] != "KV":
        yield printed.cannot(NO_MEMORY)
    elif run.creating is None and cells and not any(map(run.tensors, set(CACHES) - {FULL})):
        for row in held(run, FULL, cells, {}):
            yield printed.cannot(NO_CELLS) if row.verdict == DIFFERS else row
    elif run.creating is None:
        yield printed.cannot(NO_CELLS)
    else:
        memory, cells = run.creating
        streams = 1 if run.settings({}).own("kv_unified") else run.sequences
        yield from held(run, memory, streams * cells, {})
    run.buffered = []


def places_of(run: Run, memory: str, settings: LlamaCppSettings) -> list[Sequence[Layer]]:
    """The layers of each place that holds some of a memory: main memory first, then devices."""
    layers = run.loaded.layers
    if dealt_unsaid(settings):
        return [layers]
    dealt = devices(run.loaded, settings)
    main = left_in_main_memory(run.loaded, settings)
    rules = LayerRules(run.loaded, settings)
    holding = {
        layer for layer in {*run.loaded.layers} if any(t.memory == memory for t in rules.of(layer))
    }
    places = [[layers[place] for place in device] for device in (main, *dealt)]
    return [place for place in places if holding & {*place}]


def dealt_unsaid(settings: LlamaCppSettings) -> bool:
    """Whether the settings do not say how layers are dealt to devices."""
    return settings.tensor_split is None and settings.n_gpu_layers is None


def buffer_bytes(
    run: Run,
    memory: str,
    cells: int,
    settings: LlamaCppSettings,
    layers: Sequence[Layer],
    line: Found,
) -> int:
    """Bytes of the tensors of some layers in a memory."""
    rules = LayerRules(run.loaded, settings)
    of_layer = {
        layer: sum(
            run.cells_of(one, cells) * row.bytes
            + (_padding(row, settings) if "backend" in line.values else 0)
            for one in rules.of(layer)
            if one.memory == memory
            for row in one.rows
        )
        for layer in {*layers}
    }
    return sum(of_layer[layer] for layer in layers)


def padding(run: Run, memory: str, changes: Mapping[str, Any], lines: Sequence[Found]) -> int:
    """Bytes by which the tensors of a memory are padded in these buffers: on CUDA alone."""
    line = next((line for line in lines if "backend" in line.values), lines[0])
    return buffer_bytes(run, memory, 0, run.settings(changes), run.loaded.layers, line)


def _padding(row: CellRow, settings: LlamaCppSettings) -> int:
    """Bytes by which CUDA pads a tensor of such rows."""
    types = dict(zip(("K", "V"), settings.types, strict=True))
    element = types.get(row.tensor)
    if element is None or not element.quantised:
        return 0
    elements = row.bytes // element.block_bytes * element.block
    return element.row_bytes(-elements % ROW_PADDING)


def _printed(line: Found) -> Printed:
    return Printed(line.line, f"{line.values['of']} buffer size (MiB)", line.values["size"])


def _why(run: Run, memory: str, cells: int, layers: Sequence[Layer]) -> str:
    words = run.words(memory)
    if memory not in (FULL, SLIDING):
        return f"{words}, {cells} cells or streams"
    return f"{cells} cells of {words}"


def _buffer(run: Run, line: Found) -> Iterator[Checked]:
    """Buffers wait for the line about their memory, until there is one of another."""
    if run.buffered and run.buffered[-1].values["of"] != line.values["of"]:
        yield from flush(run)
    run.buffered.append(line)


def _share(_run: Run, line: Found) -> Iterator[Checked]:
    yield _printed(line).cannot(OF_SEVERAL)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "buffer": _buffer,
    "share": _share,
}
"""How each kind of line is checked."""
