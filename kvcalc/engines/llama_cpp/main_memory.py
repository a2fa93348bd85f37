"""What llama.cpp holds in main memory: tensors and cells of no device, and buffers of the host's.

src/llama-model.cpp (load_tensors), src/llama-kv-cache.cpp, src/llama-context.cpp (sched_reserve,
output_reserve). What llama-server keeps of earlier prompts (--cache-ram) is filled in use: it is
none of these parts, and is said beside them.
"""

from dataclasses import replace

from kvcalc.costs import formula
from kvcalc.engines.llama_cpp.cells import cells_of
from kvcalc.engines.llama_cpp.devices import left_in_main_memory
from kvcalc.engines.llama_cpp.layer_rules import LayerRules, flash_attention
from kvcalc.engines.llama_cpp.loading import Loaded, load
from kvcalc.engines.llama_cpp.memories import total
from kvcalc.engines.llama_cpp.rules import KEPT
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.llama_cpp.start_up import ELEMENT, graph, host_buffer, is_whole, widths
from kvcalc.engines.memory import ModelCopy
from kvcalc.engines.memory_part import MAIN_MEMORY, MemoryPart, exact
from kvcalc.formula.expression import Value
from kvcalc.model import Model
from kvcalc.parameters.stored import Stored

WEIGHTS, CACHE, OUTPUT = (
    f"{what} in main memory" for what in ("weights", "cache", "output buffer")
)

LOADER = (
    "src/llama-model.cpp (load_tensors); a mapped file is printed from its first to its last "
    "tensor there"
)
UNKNOWN = (
    "which tensors stay there is not known, so that all are counted on GPUs: give the .gguf, or "
    "--weights-dtype"
)
CELLS = "src/llama-kv-cache.cpp"
LOGITS = "src/llama-context.cpp (output_reserve): logits, with hidden states where asked for"


def in_main_memory(
    model: Model, settings: LlamaCppSettings, copy: ModelCopy
) -> tuple[MemoryPart, ...]:
    """The parts in main memory; without the graph's and the output's where no vocabulary is known.

    Raises:
        UnsupportedError: as the cost.
    """
    loaded = load(model, settings)

    def evaluated(value: Value) -> int:
        bound = formula(model, value, {"ubatch_size": settings.ubatch_size})
        size: int = bound(copy.context, sequences=copy.sequences)
        return size

    found = [exact(CACHE, evaluated(_cache(loaded, settings)), CELLS), _weights(copy)]
    cells = cells_of(settings, flash_attention=flash_attention(loaded, settings))
    compute = _graph(model, settings, evaluated(cells.full), copy.stored)
    sizes = widths(model, copy.stored)
    if compute is not None and sizes is not None:
        logits = copy.sequences * sizes.vocabulary * ELEMENT
        states = copy.sequences * sizes.hidden * ELEMENT
        output = MemoryPart(OUTPUT, logits, logits, logits + states, "estimate", LOGITS)
        found += [compute, output]
    return tuple(replace(part, place=MAIN_MEMORY) for part in found if part.high)


def filled_in_use(settings: LlamaCppSettings) -> str:
    """What llama-server keeps there on top as it runs; "" of a release that keeps nothing."""
    return f"llama-server fills more of it as it runs: {KEPT}" if settings.rules.main_memory else ""


def _weights(copy: ModelCopy) -> MemoryPart:
    """The tensors of no device, where they are known."""
    if copy.loaded is None:
        return MemoryPart(WEIGHTS, 0, 0, copy.weights, "estimate", UNKNOWN)
    return exact(WEIGHTS, sum(copy.loaded.host.values()), LOADER)


def _cache(loaded: Loaded, settings: LlamaCppSettings) -> Value:
    """Bytes of the cells of layers that no device holds."""
    rules = LayerRules(loaded, settings)
    layers = [loaded.layers[place] for place in left_in_main_memory(loaded, settings)]
    cells = {layer: rules.of(layer) for layer in {*layers}}
    return total((one, layers.count(layer)) for layer in cells for one in cells[layer])


def _graph(
    model: Model, settings: LlamaCppSettings, cells: int, stored: tuple[Stored, ...]
) -> MemoryPart | None:
    """The host's buffer of the graph; what is computed there may take as much as on a device."""
    beside = host_buffer(model, settings, cells, stored)
    if beside is None or is_whole(model, settings):
        return beside
    device = graph(model, settings, stored)
    high = beside.high + (device.high if device else 0)
    return MemoryPart(beside.name, beside.bytes, beside.low, high, "estimate", beside.source)
