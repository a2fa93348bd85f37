"""The cells of a layer of each kind, as src/llama-kv-cache*.cpp and llama-memory-*.cpp make it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kvcalc.costs import SEQUENCES
from kvcalc.engines.llama_cpp.architectures import (
    FULL_HEADS,
    INDEXER_ROWS,
    KEY_ONLY_INDEXER,
    NO_FLASH_ATTENTION,
)
from kvcalc.engines.llama_cpp.block_types import F16, F32, BlockType
from kvcalc.engines.llama_cpp.cells import cells_of
from kvcalc.engines.llama_cpp.loading import Loaded
from kvcalc.engines.llama_cpp.memories import CellRow, LayerCells
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer

if TYPE_CHECKING:
    from kvcalc.layers.recurrent import NgramEmbedding, Recurrent

WITH_HEADS = frozenset({"full_attention", "sliding_attention", "chunked_attention"})
"""Kinds of attention with a K and a V of several heads."""

CSA, HCA = 4, 128
"""DeepSeek V4's ratios of compression (src/llama-kv-cache-dsv4.cpp)."""


def flash_attention(loaded: Loaded, settings: LlamaCppSettings) -> bool:
    """Whether flash attention is on for this architecture."""
    return settings.own("flash_attn") and loaded.architecture not in NO_FLASH_ATTENTION


class LayerRules:
    """The cells of each kind of layer, for a model as it is loaded, with these settings."""

    def __init__(self, loaded: Loaded, settings: LlamaCppSettings) -> None:
        self.loaded = loaded
        self.k, self.v = settings.types
        self.rules = settings.rules
        flash = flash_attention(loaded, settings)
        self.cells = cells_of(settings, flash_attention=flash)
        self.rollback = settings.n_rs_seq
        if loaded.architecture is not None and loaded.architecture not in self.rules.rollback:
            self.rollback = 0
        kinds = {cache.kind for cache in loaded.caches}
        self.plain = kinds <= WITH_HEADS | {"no_cache", "shared_cache", "cross_attention"}
        padded = self.rules.padded_values and not flash
        self.widest = _widest_value(loaded) if padded else 0

    def of(self, layer: Layer) -> list[LayerCells]:
        """The cells of a layer; a combined layer has those of its parts.

        Raises:
            UnsupportedError: llama.cpp has no such kind of layer, or a row is not whole blocks.
        """
        cells: list[LayerCells] = []
        for cache in layer.caches:
            rule = RULES.get(cache.kind)
            if rule is None:
                raise UnsupportedError(
                    f"llama.cpp does not support {cache.kind} layers", what=f"{cache.kind} layers"
                )
            cells += rule(self, cache)
        return cells

    def full(self, layer: FullAttention) -> list[LayerCells]:
        """K and V of all cells; an indexer's too, where there is one."""
        own = [self._keys_and_values(layer, "kv", self.cells.full)]
        if layer.index_head_dim is None:
            return own
        rows = [self._key(layer.index_head_dim, "an indexer's key")]
        if self.loaded.architecture not in KEY_ONLY_INDEXER:
            size = self.v.row_bytes(layer.value_dim)
            rows.append(CellRow("V", f"never read, {layer.value_dim:,} x {self.v.name}", size))
        return [*own, LayerCells("indexer", self.cells.streams, self.cells.full, tuple(rows))]

    def sliding(self, layer: Attention) -> list[LayerCells]:
        """K and V of the window's cells."""
        return [self._sliding(layer, self.loaded.window)]

    def chunked(self, layer: ChunkedAttention) -> list[LayerCells]:
        """K and V of a chunk's cells, sized like a window's."""
        return [self._sliding(layer, layer.chunk)]

    def latent(self, layer: LatentAttention) -> list[LayerCells]:
        """A row of K for all heads and no V; an indexer's key."""
        if self.loaded.architecture in FULL_HEADS:
            raise UnsupportedError(
                f"llama.cpp caches full heads for {self.loaded.architecture}, whose sizes the "
                "latent row does not say; read the model from its GGUF file",
                what=f"latent rows of {self.loaded.architecture}",
            )
        slides = layer.window is not None
        rows = [
            self._key(
                layer.row_elements, f"{layer.kv_lora_rank} latent + {layer.qk_rope_head_dim} rope"
            )
        ]
        if self.rules.latent_values:
            rows.append(self._value(layer.kv_lora_rank, f"{layer.kv_lora_rank} latent"))
        cells = self.cells.sliding(self.loaded.window) if slides else self.cells.full
        own = [LayerCells("swa" if slides else "kv", self.cells.streams, cells, tuple(rows))]
        index_head_dim = self._index_head_dim(layer)
        if index_head_dim is None:
            return own
        times = INDEXER_ROWS.get(self.loaded.architecture or "", 1)
        index = self._key(times * index_head_dim, "an indexer's key")
        return [*own, LayerCells("indexer", self.cells.streams, self.cells.full, (index,))]

    def _index_head_dim(self, layer: LatentAttention) -> int | None:
        """Elements of an indexer's key: GLM's layers may have none yet, or all of them one."""
        if self.loaded.architecture != "glm-dsa" or self.rules.indexed == "full layers":
            return layer.index_head_dim
        if self.rules.indexed == "none":
            return None
        return (
            max(
                (
                    cache.index_head_dim or 0
                    for cache in self.loaded.caches
                    if isinstance(cache, LatentAttention)
                ),
                default=0,
            )
            or None
        )

    def compressed(self, layer: CompressedAttention) -> list[LayerCells]:
        """DeepSeek V4: near rows, compressed rows, and f32 states of what is being compressed."""
        cells = self.cells.apart()
        row = self._key(layer.head_dim, "key and value at once")
        found = [LayerCells("swa", cells.streams, cells.sliding(self.loaded.window), (row,))]
        if layer.ratio == CSA:
            index = layer.index_head_dim
            if index is None:
                raise UnsupportedError.of(
                    "index_head_dim", "missing, and llama.cpp's CSA layers need it"
                )
            far = cells.compressed(CSA)
            found += [
                LayerCells("csa", cells.streams, far, (row,)),
                LayerCells("indexer", cells.streams, far, (self._key(index, "an indexer's key"),)),
                self._compressor("csa_state", 2 * CSA, 2 * layer.head_dim),
                self._compressor("indexer_state", 2 * CSA, 2 * index),
            ]
        elif layer.ratio == HCA:
            found += [
                LayerCells("hca", cells.streams, cells.compressed(HCA), (row,)),
                self._compressor("hca_state", HCA, layer.head_dim),
            ]
        elif layer.ratio:
            raise UnsupportedError.of("ratio", f"found {layer.ratio}, expected 0, {CSA} or {HCA}")
        return found

    def recurrent(self, layer: "Recurrent") -> list[LayerCells]:
        """A state per sequence and a spare one per drafted token, always in f32."""
        r = layer.shift_elements + layer.channels * (layer.taps - 1)
        s = layer.state_elements
        rows = (
            CellRow("R", f"{r:,} elements of f32", F32.row_bytes(r)),
            CellRow("S", f"{s:,} elements of f32", F32.row_bytes(s)),
        )
        return [LayerCells("recurrent", SEQUENCES, 1 + self.rollback, rows)]

    def embedding(self, layer: "NgramEmbedding") -> list[LayerCells]:
        """The embedding's past columns, one row per sequence and drafted token, in f32."""
        p = layer.channels * (layer.taps - 1)
        row = CellRow("P", f"{p:,} elements of f32", F32.row_bytes(p))
        return [LayerCells("recurrent", SEQUENCES, 1 + self.rollback, (row,))]

    def headless(self, layer: Layer) -> list[LayerCells]:
        """Nothing; in a plain cache without flash attention still a padded V."""
        if not (self.plain and self.widest):
            return []
        padded = (CellRow("K", "no KV heads", 0), self._value(0, "no KV heads"))
        return [LayerCells("kv", self.cells.streams, self.cells.full, padded)]

    def cross(self, layer: Layer) -> list[LayerCells]:
        """T5 computes it anew from the encoder's output; other models with it are not supported."""
        if self.loaded.architecture != "t5":
            raise UnsupportedError(
                f"llama.cpp does not support {layer.kind} layers", what=f"{layer.kind} layers"
            )
        return []

    def nothing(self, layer: Layer) -> list[LayerCells]:
        """Nothing of its own."""
        return []

    def _sliding(self, layer: Attention, window: Value) -> LayerCells:
        """A sliding layer's cells: those of a cache of its own, where the release has one."""
        memory = "kv" if self.rules.windows == "none" else "swa"
        return self._keys_and_values(layer, memory, self.cells.sliding(window))

    def _keys_and_values(self, layer: Attention, memory: str, cells: Value) -> LayerCells:
        heads = f"{layer.kv_heads} KV heads x"
        k, v = (self.k, self.v) if memory == "kv" or self.rules.sliding_types else (F16, F16)
        key = self._key(layer.kv_heads * layer.head_dim, f"{heads} {layer.head_dim}", k)
        value = self._value(layer.kv_heads * layer.value_dim, f"{heads} {layer.value_dim}", v)
        return LayerCells(memory, self.cells.streams, cells, (key, value))

    def _key(self, elements: int, what: str, k: BlockType | None = None) -> CellRow:
        k = k or self.k
        return CellRow("K", f"{what}, {elements:,} x {k.name}", k.row_bytes(elements))

    def _value(self, elements: int, what: str, v: BlockType | None = None) -> CellRow:
        """A row of V: without flash attention as wide as the widest of the model."""
        v = v or self.v
        if self.widest > elements:
            what, elements = f"{what}, padded to the widest V of the model", self.widest
        return CellRow("V", f"{what}, {elements:,} x {v.name}", v.row_bytes(elements))

    def _compressor(self, memory: str, rows: int, elements: int) -> LayerCells:
        row = F32.row_bytes(elements)
        working = f"{elements:,} elements of f32"
        states = (CellRow("kv", working, row), CellRow("score", working, row))
        return LayerCells(memory, SEQUENCES, rows * (1 + self.rollback), states)


def _widest_value(loaded: Loaded) -> int:
    """Elements of the widest row of V, over all layers (n_embd_v_gqa_max)."""
    return max(
        (
            cache.kv_heads * cache.value_dim
            for cache in loaded.caches
            if isinstance(cache, Attention)
        ),
        default=0,
    )


RULES: dict[str, Callable[[LayerRules, Any], list[LayerCells]]] = {
    "full_attention": LayerRules.full,
    "sliding_attention": LayerRules.sliding,
    "chunked_attention": LayerRules.chunked,
    "latent_attention": LayerRules.latent,
    "compressed_attention": LayerRules.compressed,
    "cross_attention": LayerRules.cross,
    "mamba": LayerRules.recurrent,
    "mamba2": LayerRules.recurrent,
    "gated_delta_net": LayerRules.recurrent,
    "kimi_delta_attention": LayerRules.recurrent,
    "lightning_attention": LayerRules.recurrent,
    "rwkv": LayerRules.recurrent,
    "short_convolution": LayerRules.recurrent,
    "ngram_embedding": LayerRules.embedding,
    "shared_cache": LayerRules.nothing,
    "no_cache": LayerRules.headless,
}
"""The rule of each kind of layer that llama.cpp has."""
