"""The cost of llama.cpp's context, and how it comes about in the words of its start-up log."""

from collections.abc import Callable, Mapping

from kvcalc.costs import Cost, Group, Step, formula
from kvcalc.engines.llama_cpp.devices import fullest
from kvcalc.engines.llama_cpp.layer_rules import LayerRules, flash_attention
from kvcalc.engines.llama_cpp.loading import Loaded, load
from kvcalc.engines.llama_cpp.memories import MEMORIES, LayerCells, Shares, by_memory, total
from kvcalc.engines.llama_cpp.refusals import limits, refuse
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, ceil
from kvcalc.formula.formula import Formula
from kvcalc.formula.limits import Limit
from kvcalc.layers.layer import Layer
from kvcalc.model import MAX_GROUPS, Model
from kvcalc.units import plural

SPLIT = (
    "llama.cpp allocates its cells for all sequences when the context is created: no share of "
    "them is one sequence's"
)

VARIABLES = {"ubatch_size"}
"""Settings that vary within a formula."""


def cost(model: Model, settings: LlamaCppSettings) -> Cost:
    """Work out what llama.cpp's context allocates for its memory.

    Raises:
        UnsupportedError: a layer kind, an element type, windows or a draft that llama.cpp has not.
    """
    loaded = load(model, settings)
    cells = _cells(loaded, settings)
    whole = _whole(loaded, cells)
    within = limits(loaded, settings)
    built = {
        name: f"{name}: llama.cpp's formula is built for one value; give it to kvcalc.cost"
        for name in type(settings).model_fields.keys() - VARIABLES
    }

    def bound(expression: Value, within: tuple[Limit, ...] = ()) -> Formula:
        return formula(model, expression, {"ubatch_size": settings.ubatch_size}, built, within)

    k, v = settings.types
    return Cost(
        model=model,
        engine="llama.cpp",
        kv_cache_dtype=k.name if k == v else f"{k.name}/{v.name}",
        settings=settings.changed(),
        formula=bound(total(whole), within),
        per_gpu=bound(fullest(loaded, settings, cells), within),
        split=SPLIT,
        groups=tuple(_group(layer, n, cells[layer], bound) for layer, n in loaded.counted),
        steps=_steps(whole),
        why=_why(model, loaded, settings),
    )


def _cells(loaded: Loaded, settings: LlamaCppSettings) -> dict[Layer, list[LayerCells]]:
    """The cells of each of the different layers."""
    refuse(loaded, settings)
    rules = LayerRules(loaded, settings)
    cells = {layer: rules.of(layer) for layer, _ in loaded.counted}
    different = {(one.cells, one.row_bytes) for shares in cells.values() for one in shares}
    if len(different) > MAX_GROUPS:
        raise UnsupportedError.of("layers", f"found more than {MAX_GROUPS} different caches")
    return cells


def _whole(loaded: Loaded, cells: Mapping[Layer, list[LayerCells]]) -> list[tuple[LayerCells, int]]:
    return [(one, layers) for layer, layers in loaded.counted for one in cells[layer]]


def _group(
    layer: Layer, layers: int, shares: list[LayerCells], bound: Callable[[Value], Formula]
) -> Group:
    """Derive the bytes of equal layers: rows, cells and streams of each memory."""
    derivation = []
    for one in shares:
        name = MEMORIES[one.memory]
        derivation += [
            Step(f"{name}, a row of {row.tensor}", row.working, row.bytes, "bytes")
            for row in one.rows
        ]
        derivation.append(Step(f"{name}, size", str(one.cells), one.cells, "cells"))
        derivation.append(Step("n_stream", str(one.streams), one.streams, "streams"))
    size = total((one, layers) for one in shares)
    working = f"{plural(layers, 'layer')} x streams x cells x rows"
    derivation.append(Step("buffer size", working, size, "bytes"))
    return Group(
        kind=layer.kind,
        layers=layers,
        window=layer.sole_window,
        formula=bound(size),
        steps=tuple(derivation),
    )


def _steps(shares: Shares) -> tuple[Step, ...]:
    """Part the whole by memory, as the log lists it."""
    return tuple(
        Step(
            MEMORIES[memory],
            plural(sum(layers for _, layers in inside), "layer"),
            total(inside),
            "bytes",
        )
        for memory, inside in by_memory(shares).items()
    )


def _why(model: Model, loaded: Loaded, settings: LlamaCppSettings) -> str:
    """Say in one line what makes llama.cpp differ from the least that attention needs."""
    windows = {
        cache.attention_window
        for layer, _ in loaded.counted
        for cache in layer.caches
        if cache.attention_window is not None
    }
    pad = settings.rules.padding(flash_attention(loaded, settings))
    if not windows or settings.rules.windows == "none":
        full = " and lets no layer slide" if model.sliding_windows else ""
        return f"llama.cpp rounds a context up to cells of {pad}{full}"
    if settings.windows == "none":
        return "swa_full: sliding layers keep all cells"
    window = max(windows)
    batch = settings.batch_size
    if settings.windows == "micro-batch":
        batch = min(settings.ubatch_size, batch)
    if settings.own("kv_unified"):
        return (
            f"all sequences' windows of {window:,} and one {settings.windows} of {batch:,} share "
            f"a buffer in cells of {pad}"
        )
    cells = ceil(window + batch, pad)
    return (
        f"a window of {window:,} becomes {cells:,} cells: the {settings.windows} of {batch:,} on "
        f"top, cells of {pad}"
    )
