"""Whole layers dealt to devices, as load_tensors of src/llama-model.cpp deals them."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from struct import pack, unpack

from kvcalc.engines.llama_cpp.loading import Loaded
from kvcalc.engines.llama_cpp.memories import LayerCells, total
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.formula.expression import Value, maximum
from kvcalc.layers.layer import Layer


def single(number: float) -> float:
    """Round to the single precision that llama.cpp computes the split points in."""
    rounded: float = unpack("<f", pack("<f", number))[0]
    return rounded


def devices(loaded: Loaded, settings: LlamaCppSettings) -> list[list[int]]:
    """Give the layers of this context, as places in `loaded.layers`, to devices.

    A layer goes to the first device whose cumulated share exceeds the layer's place; the output
    counts as one more layer. Those before the last `n_gpu_layers` stay in main memory, which is
    no device.
    """
    if not settings.offload_kqv:
        return []
    split = settings.tensor_split if settings.split_mode != "none" else None
    points: list[float] = []
    for share in split or (1.0,):
        points.append(single((points[-1] if points else 0.0) + single(share)))
    points = [single(point / points[-1]) for point in points]
    blocks = loaded.blocks + 1
    offloaded = blocks if settings.n_gpu_layers is None else min(settings.n_gpu_layers, blocks)
    start = blocks - offloaded
    dealt = [list[int]() for _ in points]
    for place in range(len(loaded.layers)):
        if (block := loaded.first + place) >= start:
            at = single(single(block - start) / single(offloaded))
            dealt[bisect_right(points, at)].append(place)
    return dealt


def left_in_main_memory(loaded: Loaded, settings: LlamaCppSettings) -> list[int]:
    """The layers of this context that no device holds, as places in `loaded.layers`."""
    held = {place for device in devices(loaded, settings) for place in device}
    return [place for place in range(len(loaded.layers)) if place not in held]


def fullest(
    loaded: Loaded, settings: LlamaCppSettings, cells: Mapping[Layer, list[LayerCells]]
) -> Value:
    """Sum bytes on the fullest device; 0 where main memory holds all."""
    loads: list[Counter[LayerCells]] = []
    for places in devices(loaded, settings):
        load = Counter(one for place in places for one in cells[loaded.layers[place]])
        # A device that holds no more of anything than another is never the fullest.
        loads = [other for other in loads if not other <= load]
        if not any(load <= other for other in loads):
            loads.append(load)
    result: Value = 0
    for load in loads:
        size = total(load.items())
        result = maximum(result, size) if result != 0 else size
    return result
