"""llama.cpp: cells of 256 tokens, allocated for all sequences when the context is created.

Read from llama.cpp of 2026-10-01 (commit 0c1e570), as vendored in the llama-cpp-python 0.3.36
source package.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kvcalc.costs import Cost, formula
from kvcalc.engines.engine import Engine
from kvcalc.engines.llama_cpp.architectures import Loaded
from kvcalc.engines.llama_cpp.architectures import loaded as load
from kvcalc.engines.llama_cpp.block_types import BLOCK_TYPES
from kvcalc.engines.llama_cpp.derivation import group, steps, why
from kvcalc.engines.llama_cpp.devices import fullest
from kvcalc.engines.llama_cpp.flags import COMMAND
from kvcalc.engines.llama_cpp.kinds import RULES, Kinds
from kvcalc.engines.llama_cpp.memory import MEMORY
from kvcalc.engines.llama_cpp.refusals import Limited, refusal, refuse
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.llama_cpp.tensors import LayerTensors, Memory, by_memory, total
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value
from kvcalc.formula.formula import Formula
from kvcalc.layers.layer import Layer
from kvcalc.model import MAX_GROUPS, Model

SPLIT = (
    "llama.cpp allocates its cells for all sequences when the context is created: no share of "
    "them is one sequence's"
)

VARIABLES = {"ubatch_size"}
"""Settings that vary within a formula."""


def memories(model: Model, settings: LlamaCppSettings) -> dict[str, Memory]:
    """Part a cost by llama.cpp's memories: "kv", "swa", "indexer", "recurrent", "csa" ...

    Raises:
        KvcalcError: as `cost`.
    """
    loaded = load(model, settings.ctx_type)
    return by_memory(_whole(loaded, _held(loaded, settings)))


def cost(model: Model, settings: LlamaCppSettings) -> Cost:
    """Work out what llama.cpp's context allocates for its memory.

    Raises:
        KvcalcError: a layer kind, an element type, windows or a draft that llama.cpp has not.
    """
    loaded = load(model, settings.ctx_type)
    held = _held(loaded, settings)
    whole = _whole(loaded, held)
    refused = refusal(loaded, settings)
    built = {
        name: f"{name}: llama.cpp's formula is built for one value; give it to kvcalc.cost"
        for name in type(settings).model_fields.keys() - VARIABLES
    }

    def bound(expression: Value) -> Formula:
        return formula(model, expression, {"ubatch_size": settings.ubatch_size}, built)

    k, v = settings.types
    return Cost(
        model=model,
        engine=ENGINE.name,
        kv_cache_dtype=k.name if k == v else f"{k.name}/{v.name}",
        settings=settings.changed(),
        formula=Limited(bound(total(whole)), refused),
        per_gpu=Limited(bound(fullest(loaded, settings, held)), refused),
        split=SPLIT,
        groups=tuple(group(layer, n, held[layer], bound) for layer, n in loaded.counted),
        steps=steps(by_memory(whole)),
        why=why(model, loaded, settings),
    )


def _held(loaded: Loaded, settings: LlamaCppSettings) -> dict[Layer, list[LayerTensors]]:
    """What each of the different layers holds."""
    refuse(loaded, settings)
    kinds = Kinds(loaded, settings)
    held = {layer: kinds.of(layer) for layer, _ in loaded.counted}
    if (
        len({(one.cells, one.row_bytes) for tensors in held.values() for one in tensors})
        > MAX_GROUPS
    ):
        raise UnsupportedError.of("layers", f"found more than {MAX_GROUPS} different caches")
    return held


def _whole(
    loaded: Loaded, held: Mapping[Layer, list[LayerTensors]]
) -> list[tuple[LayerTensors, int]]:
    return [(one, layers) for layer, layers in loaded.counted for one in held[layer]]


ENGINE = Engine(
    name="llama.cpp",
    version="2026-10-01 (0c1e570)",
    source="src/llama-kv-cache.cpp",
    settings=LlamaCppSettings,
    kinds=tuple(RULES),
    dtypes=tuple(BLOCK_TYPES),
    cost=cost,
    levers=MappingProxyType(
        {"ubatch_size": (128, 2048), "kv_unified": (True,), "swa_full": (True,)}
    ),
    memory=MEMORY,
    command=COMMAND,
)
