"""How llama.cpp loads a model: what its own code says of the architecture, whoever read the file.

A model has Hugging Face's model type; llama.cpp's converter names the architecture (conversion/,
the classes of each file's `register`), and src/models/ has the rules. Those that a GGUF file's
reader needs too are its tables.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from kvcalc.catalogue.gguf import (
    CACHELESS,
    HOLDING_LAYERS,
    MODEL_TYPES,
    PLAIN,
    RECURRENT,
    SLIDING_LAYERS,
    WINDOWS,
)
from kvcalc.costs import window_of
from kvcalc.errors import UnsupportedError, quote
from kvcalc.formula.expression import Value
from kvcalc.layers.attention import ChunkedAttention
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.layers.layer import Layer
from kvcalc.model import Model


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


KNOWN = PLAIN | CACHELESS | RECURRENT.keys() | WINDOWS.keys()

ARCHITECTURES = {hugging_face: gguf for gguf, hugging_face in MODEL_TYPES.items()} | {
    "bamba": "granitehybrid",
    "cohere2_moe": "cohere2moe",
    "deepseek_v2": "deepseek2",
    "dots3_note_text": "dots3note",
    "exaone4_5": "exaone4",
    "falcon_mamba": "mamba",
    "gemma3": "gemma3",
    "gemma3n": "gemma3n",
    "gemma4": "gemma4",
    "gemma4_unified": "gemma4",
    "gemma4_unified_text": "gemma4",
    "glm": "chatglm",
    "glm4_moe_lite": "deepseek2",
    "granitemoe_swa": "granite_swa",
    "kimi_k2": "deepseek2",
    "kimi_k25": "deepseek2",
    "llama4": "llama4",
    "mimo_v2": "mimo2",
    "minimax_m3_vl": "minimax-m3",
    "mistral": "llama",
    "mixtral": "llama",
    "muse_glimmer_text": "muse-glimmer",
    "olmo3": "olmo2",
    "qwen2_5_vl": "qwen2vl",
    "qwen3_5_moe_text": "qwen35moe",
    "qwen3_5_text": "qwen35",
    "qwen4_exp": "qwen4exp",
    "qwen4_exp_text": "qwen4exp",
    "sarvam_mla": "deepseek2",
    "sarvam_moe": "glm4moe",
    "solar_open": "glm4moe",
    "step3p5": "step35",
    "step3p7": "step35",
    "voxtral": "llama",
    "youtu": "deepseek2",
}
"""llama.cpp's architecture of a Hugging Face model type, where it is spelled otherwise."""

SLIDES_AS_GIVEN = frozenset({"deepseek4", "lfm2"})
"""Architectures that slide without a pattern: in all layers, or in all that attend."""

DRAFTS = _names(
    "bailingmoe3 cohere2moe deepseek2 deepseek32 glm-dsa glm4moe glm5-next hy_v3 nemotron_h_moe "
    "qwen35 qwen35moe qwen3next step35"
)
"""Architectures with a graph for a draft by their own NextN layers (LLM_GRAPH_TYPE_DECODER_MTP).
Not `mimo2`, whose graph wants fused weights that no converter writes."""

NO_NEXTN = _names(
    "deepseek_v3 deepseek_v4 kimi_k2 kimi_k25 minimax_m2 minimax_m3_vl minimax_m3_vl_text"
)
"""Model types whose NextN layers llama.cpp's converters drop (conversion/)."""

NEXTN = {"mimo_v2_flash": 3, "mimo_v2": 3, "qwen3_next": 1}
"""NextN layers that no config.json counts (conversion/mimo.py, conversion/qwen.py)."""

NEXTN_IN_TRUNK = frozenset({"bailingmoe3"})
"""Architectures whose main context keeps rows for NextN layers too: src/llama-model.cpp gives the
attention of a hybrid all layers that are not recurrent."""


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


def architecture_of(model: Model) -> str | None:
    """Find llama.cpp's name of a model's architecture; None where kvcalc knows none."""
    name = model.model_type
    if name is None:
        return None
    spellings = (ARCHITECTURES.get(name), name, name.replace("_", "-"))
    return next((spelling for spelling in spellings if spelling in KNOWN), None)


def loaded(model: Model, ctx_type: str) -> Loaded:
    """Lay a model out as llama.cpp does, for its main context or for its draft's ("mtp").

    Raises:
        KvcalcError: it slides in a way that llama.cpp has not, or has no layers that draft.
    """
    architecture = architecture_of(model)
    replaced = {layer: _as_held(layer, architecture, model) for layer, _ in model.groups}
    trunk = tuple(replaced[layer] for layer in model.layers)
    if architecture in CACHELESS:
        trunk = (NoCache(),) * len(trunk)
    holding = HOLDING_LAYERS.get(architecture or "", len(trunk))
    trunk = trunk[:holding] + (SharedCache(),) * (len(trunk) - holding)
    count = 0
    if model.model_type not in NO_NEXTN:
        count = model.num_nextn_predict_layers or NEXTN.get(model.model_type or "", 0)
    layers, first = trunk, 0
    if ctx_type == "mtp":
        if not count or architecture not in DRAFTS:
            raise UnsupportedError.of(
                "ctx_type", f"found 'mtp', but {model.name} has no NextN layers that llama.cpp runs"
            )
        layers, first = (draft_layer(trunk, architecture),) * count, len(trunk)
    elif count and architecture in NEXTN_IN_TRUNK:
        layers = trunk + (draft_layer(trunk, architecture),) * count
    window = _window(model, trunk, architecture)
    return Loaded(architecture, layers, first, len(trunk) + count, window, trunk)


def draft_layer(trunk: tuple[Layer, ...], architecture: str | None) -> Layer:
    """Shape a layer that drafts: the trunk's last attention, seeing all, and without an indexer.

    Only GLM-5-Next keeps the indexer's rows there (src/llama-model.cpp, create_memory).
    """
    attention = [
        cache
        for layer in trunk
        for cache in layer.caches
        if cache.kind in ("full_attention", "sliding_attention", "latent_attention")
    ]
    full = [cache for cache in attention if not cache.windows] or attention
    if not full:
        raise UnsupportedError.of("ctx_type", "found 'mtp', but no layer of the model attends")
    last = full[-1].with_full_attention()
    if architecture == "glm5-next":
        return last
    return type(last)(**{**dict(last), "index_head_dim": None})


def _as_held(layer: Layer, architecture: str | None, model: Model) -> Layer:
    """Let a layer slide as llama.cpp lets it."""
    slides = any(cache.slides for cache in layer.caches)
    if not slides or model.model_type is None or architecture in SLIDES_AS_GIVEN:
        return layer
    if architecture is None:
        raise UnsupportedError(
            f"llama.cpp: whether it lets layers of the model type {quote(model.model_type)} slide "
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
    """The one window of the sliding layers; 0 where there is none."""
    windows = {window for layer in set(trunk) for window in layer.windows}
    if len(windows) > 1:
        found = ", ".join(f"{window:,}" for window in sorted(windows))
        raise UnsupportedError.of(
            "window", f"found {found} in {model.name}, expected one, as llama.cpp has"
        )
    if not windows:
        return 0
    rule = WINDOWS.get(architecture or "")
    fixed = rule is not None and rule.fixed is not None
    return windows.pop() if fixed else window_of(model, windows.pop())
