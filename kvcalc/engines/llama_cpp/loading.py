"""How llama.cpp lays out a model that it loads: the layers of a context, and how they slide."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from kvcalc.catalogue.gguf import CACHELESS, HOLDING_LAYERS, SLIDING_LAYERS, WINDOWS
from kvcalc.costs import window_of
from kvcalc.engines.llama_cpp.architectures import (
    NEXTN,
    NO_NEXTN,
    SLIDES_AS_GIVEN,
    architecture_of,
)
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import UnsupportedError, quote
from kvcalc.formula.expression import Value
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.layers.layer import Layer
from kvcalc.model import Model


@dataclass(frozen=True)
class Loaded:
    """A model as llama.cpp lays it out.

    `layers` hold caches in this context, `first` is the place of the first among all `blocks` of
    the file. `window` is that of the sliding layers. `trunk` are the main context's layers.
    """

    architecture: str | None
    layers: tuple[Layer, ...]
    first: int
    blocks: int
    window: Value
    trunk: tuple[Layer, ...]

    @cached_property
    def caches(self) -> frozenset[Layer]:
        """The different caches of the main context."""
        return frozenset(cache for layer in set(self.trunk) for cache in layer.caches)

    @cached_property
    def counted(self) -> tuple[tuple[Layer, int], ...]:
        """Equal layers of this context and how many there are, in order of appearance."""
        return tuple(Counter(self.layers).items())


def load(model: Model, settings: LlamaCppSettings) -> Loaded:
    """Lay a model out as llama.cpp does, for its main context or for its draft's ("mtp").

    Raises:
        UnsupportedError: it slides in a way that llama.cpp has not, or has no layers that draft.
    """
    architecture, rules = architecture_of(model), settings.rules
    replaced = {
        layer: _as_laid_out(layer, architecture, model, rules.no_windows)
        for layer, _ in model.groups
    }
    trunk = tuple(replaced[layer] for layer in model.layers)
    if architecture in CACHELESS:
        trunk = (NoCache(),) * len(trunk)
    holding = HOLDING_LAYERS.get(architecture or "", len(trunk))
    trunk = trunk[:holding] + (SharedCache(),) * (len(trunk) - holding)
    count = 0
    if model.model_type not in NO_NEXTN:
        count = model.num_nextn_predict_layers or NEXTN.get(model.model_type or "", 0)
    layers, first = trunk, 0
    if settings.ctx_type == "mtp":
        if not count or architecture not in rules.drafts:
            raise UnsupportedError.of(
                "ctx_type",
                f"found 'mtp', but {model.name} has no NextN layers that llama.cpp runs in a "
                "context of their own",
            )
        layers, first = (draft_layer(trunk, architecture),) * count, len(trunk)
    elif count and architecture in rules.nextn_held:
        layers = trunk + (last_attention(trunk),) * count
    elif count and architecture in rules.nextn_slides:
        sliding = next((layer for layer in trunk if layer.windows), None)
        layers = trunk + (sliding or last_attention(trunk),) * count
    window = _window(model, trunk, architecture)
    return Loaded(architecture, layers, first, len(trunk) + count, window, trunk)


def draft_layer(trunk: tuple[Layer, ...], architecture: str | None) -> Layer:
    """Shape a layer that drafts: the trunk's last attention, seeing all, and without an indexer.

    Only GLM-5-Next keeps the indexer's rows there (src/llama-model.cpp, create_memory).
    """
    last = last_attention(trunk)
    if architecture == "glm5-next":
        return last
    return type(last)(**{**dict(last), "index_head_dim": None})


def last_attention(trunk: tuple[Layer, ...]) -> Layer:
    """Find the trunk's last attention, and let it see all."""
    attention = [
        cache
        for layer in trunk
        for cache in layer.caches
        if cache.kind in ("full_attention", "sliding_attention", "latent_attention")
    ]
    full = [cache for cache in attention if not cache.windows] or attention
    if not full:
        raise UnsupportedError.of("ctx_type", "found 'mtp', but no layer of the model attends")
    return full[-1].with_full_attention()


def _as_laid_out(
    layer: Layer, architecture: str | None, model: Model, no_windows: frozenset[str]
) -> Layer:
    """Let a layer slide as llama.cpp lets it."""
    slides = any(cache.slides for cache in layer.caches)
    if slides and architecture in no_windows:
        return layer.with_full_attention()
    if not slides or model.model_type is None or architecture in SLIDES_AS_GIVEN:
        return layer
    if architecture is None:
        raise UnsupportedError(
            f"whether llama.cpp lets layers of the model type {quote(model.model_type)} slide "
            "is not known",
            what=f"model type {model.model_type}",
        )
    rule = WINDOWS.get(architecture)
    if rule is None or SLIDING_LAYERS.get(architecture, len(model.layers)) != len(model.layers):
        return layer.with_full_attention()
    if rule.fixed is None:
        return layer
    if isinstance(layer, ChunkedAttention):
        return ChunkedAttention(**{**dict(layer), "chunk": rule.fixed})
    return layer.with_window(rule.fixed)


def _window(model: Model, trunk: tuple[Layer, ...], architecture: str | None) -> Value:
    """The one window of the sliding layers; 0 without a window.

    A chunk is a window of another kind (src/llama-hparams.h, n_swa and swa_type).
    """
    caches = {cache for layer in set(trunk) for cache in layer.caches}
    windows = {window for cache in caches for window in cache.windows}
    chunks = {cache.chunk for cache in caches if isinstance(cache, ChunkedAttention)}
    if len(windows) + len(chunks) > 1:
        found = [f"{window:,}" for window in sorted(windows)]
        found += [f"a chunk of {chunk:,}" for chunk in sorted(chunks)]
        raise UnsupportedError.of(
            "window",
            f"found {' and '.join(found)} in {model.name}, expected one, as llama.cpp has",
        )
    if not windows:
        return 0
    rule = WINDOWS.get(architecture or "")
    fixed = rule is not None and rule.fixed is not None
    return windows.pop() if fixed else window_of(model, windows.pop())
