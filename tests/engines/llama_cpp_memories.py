"""The bytes of a model in each of llama.cpp's memories."""

from kvcalc.engines.llama_cpp.layer_rules import LayerRules
from kvcalc.engines.llama_cpp.loading import load
from kvcalc.engines.llama_cpp.memories import by_memory, total
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.formula.expression import Value
from kvcalc.model import Model


def memories(model: Model, settings: LlamaCppSettings) -> dict[str, Value]:
    """Part the bytes by memory: "kv", "swa", "indexer", "recurrent", "csa" ..."""
    loaded = load(model, settings)
    rules = LayerRules(loaded, settings)
    shares = [(one, layers) for layer, layers in loaded.counted for one in rules.of(layer)]
    return {memory: total(inside) for memory, inside in by_memory(shares).items()}
