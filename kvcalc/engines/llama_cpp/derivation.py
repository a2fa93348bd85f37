"""How a cost comes about, in the words of llama.cpp's start-up log."""

from collections.abc import Callable, Mapping

from kvcalc.costs import Group, Step
from kvcalc.engines.llama_cpp.architectures import Loaded
from kvcalc.engines.llama_cpp.cells import PAD
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.llama_cpp.tensors import MEMORIES, LayerTensors, Memory, total
from kvcalc.formula.expression import Value, ceil
from kvcalc.formula.formula import Formula
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.units import plural


def group(
    layer: Layer, layers: int, held: list[LayerTensors], bound: Callable[[Value], Formula]
) -> Group:
    """Derive the bytes of equal layers: rows, cells and streams of each memory."""
    derivation = []
    for one in held:
        name = MEMORIES[one.memory]
        derivation += [
            Step(f"{name}, a row of {row.tensor}", row.working, row.bytes, "bytes")
            for row in one.rows
        ]
        derivation.append(Step(f"{name}, size", str(one.cells), one.cells, "cells"))
        derivation.append(Step("n_stream", str(one.streams), one.streams, "streams"))
    bytes_held = total((one, layers) for one in held)
    working = f"{plural(layers, 'layer')} x streams x cells x rows"
    derivation.append(Step("buffer size", working, bytes_held, "bytes"))
    return Group(
        kind=layer.kind,
        layers=layers,
        window=layer.sole_window,
        formula=bound(bytes_held),
        steps=tuple(derivation),
    )


def steps(memories: Mapping[str, Memory]) -> tuple[Step, ...]:
    """Part the whole by memory, as the log lists it."""
    return tuple(
        Step(MEMORIES[name], plural(memory.layers, "layer"), memory.bytes, "bytes")
        for name, memory in memories.items()
    )


def why(model: Model, loaded: Loaded, settings: LlamaCppSettings) -> str:
    """Say in one line what makes llama.cpp differ from the least that attention needs."""
    windows = {
        cache.attention_window
        for layer, _ in loaded.counted
        for cache in layer.caches
        if cache.attention_window is not None
    }
    if not windows:
        full = " and lets no layer slide" if model.sliding_windows else ""
        return f"llama.cpp rounds a context up to cells of {PAD}{full}"
    if settings.swa_full:
        return "swa_full: sliding layers keep all cells"
    window = max(windows)
    ubatch = min(settings.ubatch_size, settings.batch_size)
    if settings.kv_unified:
        return (
            f"all sequences' windows of {window:,} and one micro-batch of {ubatch:,} share a "
            f"buffer in cells of {PAD}"
        )
    cells = ceil(window + ubatch, PAD)
    return (
        f"a window of {window:,} becomes {cells:,} cells: the micro-batch of {ubatch:,} on top, "
        f"cells of {PAD}"
    )
