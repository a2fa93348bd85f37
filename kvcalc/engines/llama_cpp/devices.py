"""Whole layers dealt to devices, as load_tensors of src/llama-model.cpp deals them."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
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


MAIN_MEMORY = None
"""The place of what no device holds."""


def split_points(settings: LlamaCppSettings) -> list[float]:
    """Where each device's share ends, of 1; where the model is not split there is one."""
    split = settings.tensor_split if settings.split_mode != "none" else None
    sums: list[float] = []
    for share in split or (1.0,):
        sums.append(single((sums[-1] if sums else 0.0) + single(share)))
    return [single(total / sums[-1]) for total in sums]


def device_of(
    block: int, blocks: int, settings: LlamaCppSettings, points: Sequence[float]
) -> int | None:
    """The device of one of a file's blocks, of which the output is one more; None is main memory.

    A layer goes to the first device whose cumulated share exceeds the layer's place among those
    that `n_gpu_layers` offloads.

    Raises:
        UnsupportedError: which layers those are was not read of the release.
    """
    whole = blocks + 1
    offloaded = whole if settings.n_gpu_layers is None else min(settings.n_gpu_layers, whole)
    place = block - settings.rules.first_offloaded(offloaded, whole)
    if not 0 <= place < offloaded:
        return MAIN_MEMORY
    return bisect_right(points, single(place / offloaded))


def devices(loaded: Loaded, settings: LlamaCppSettings) -> list[list[int]]:
    """Give the layers of this context, as places in `loaded.layers`, to devices.

    Raises:
        UnsupportedError: as `device_of`.
    """
    if not settings.offload_kqv:
        return []
    points = split_points(settings)
    dealt = [list[int]() for _ in points]
    for place in range(len(loaded.layers)):
        device = device_of(loaded.first + place, loaded.blocks, settings, points)
        if device is not MAIN_MEMORY:
            dealt[device].append(place)
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
