"""A model as SGLang lays it out: which buffers its layers have, in which pool.

Source: SGLang 0.5.23, srt/configs/model_config.py (is_hybrid_swa_model, get_hybrid_layer_ids) and
srt/mem_cache/kv_cache_configurator.py (_build_token_to_kv_pool).
"""

from dataclasses import dataclass

from kvcalc.dtypes import dtype
from kvcalc.engines.run_in import run_in
from kvcalc.engines.sglang import architectures
from kvcalc.engines.sglang.buffers import (
    FULL,
    WINDOW,
    BufferBytes,
    LayerBuffers,
    TokenRow,
    block_index,
    keys_and_values,
    latent,
    sparse_index,
)
from kvcalc.engines.sglang.compressed import compressed_buffers
from kvcalc.engines.sglang.resolved import Resolved
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.side_states import embedding_window, of_all_layers, pending_keys
from kvcalc.engines.sglang.states import state_buffers
from kvcalc.engines.sglang.window_pool import has_window_pool, sliding_window_size
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import NgramEmbedding, Recurrent
from kvcalc.model import Model

ONE_SHAPE = (
    "sglang stores all layers of a pool in one shape: found several in {name}, whose sizes differ"
)


@dataclass(frozen=True)
class Layout:
    """The buffers of a model's layers; `window` is what SGLang takes for its window.

    It is None without a window pool. `draft` are the buffers of the draft's layers, in the full
    pool's pages.
    """

    groups: tuple[LayerBuffers, ...]
    draft: LayerBuffers | None
    window: Value | None
    window_tokens: int | None

    def bytes_of(self, pool: str) -> int:
        """Bytes of all layers, the draft's among them, per unit of a pool."""
        return sum(group.bytes_of(pool) for group in self.all)

    def spare_of(self, pool: str) -> int:
        """Bytes that a pool has beside its units."""
        return sum(
            group.layers * buffer.spare
            for group in self.all
            for buffer in group.buffers
            if buffer.pool == pool
        )

    @property
    def all(self) -> tuple[LayerBuffers, ...]:
        """The buffers of the model's layers, and of the draft's."""
        return self.groups + ((self.draft,) if self.draft else ())


def lay_out(model: Model, settings: SglangSettings, resolved: Resolved) -> Layout:
    """Work out the buffers of each layer.

    Raises:
        KvcalcError: layers, sizes or ranks that SGLang's pools do not take.
    """
    windowed = has_window_pool(model, settings)
    rules = _LayerRules(model, settings, resolved, windowed)
    groups = tuple(
        LayerBuffers(
            layer.kind,
            count,
            layer.sole_window,
            tuple(buffer for cache in layer.caches for buffer in rules.buffers(cache)),
        )
        for layer, count in model.groups
    )
    rules.require_one_shape()
    window, tokens = sliding_window_size(model) if windowed else (None, None)
    return Layout((*groups, *of_all_layers(model)), rules.draft(), window, tokens)


@dataclass(frozen=True)
class _LayerRules:
    """The buffers of each kind of cache of one model."""

    model: Model
    settings: SglangSettings
    resolved: Resolved
    windowed: bool

    def buffers(self, cache: Layer) -> list[BufferBytes]:
        """The buffers of a cache."""
        if isinstance(cache, CompressedAttention):
            return compressed_buffers(cache, self.resolved.page, self.resolved.ranks)
        if isinstance(cache, NgramEmbedding):
            return embedding_window(cache)
        if isinstance(cache, Recurrent):
            return state_buffers(cache, self.model, self.settings, self.resolved)
        if isinstance(cache, Attention | LatentAttention):
            paged = self._paged(self._pool(cache), self._rows(cache))
            return paged + pending_keys(cache, self.model)
        return self._of_empty(cache)

    def _pool(self, cache: Layer) -> str:
        return WINDOW if self.windowed and cache.slides else FULL

    def _paged(self, pool: str, rows: list[TokenRow]) -> list[BufferBytes]:
        return [row.in_pages(pool, self.resolved.page) for row in rows]

    def _rows(self, cache: Attention | LatentAttention) -> list[TokenRow]:
        resolved = self.resolved
        if isinstance(cache, LatentAttention):
            scaled = resolved.scaled_rows and cache.window is None
            return latent(cache, resolved.format, resolved.ranks, scaled) + sparse_index(cache)
        rows = keys_and_values(cache, resolved.format, resolved.ranks, self.windowed)
        if isinstance(cache, FullAttention):
            narrow = resolved.index_in_8_bits and not cache.index_pool
            bits = 8 if narrow else dtype(run_in(self.model)).bits
            rows += block_index(cache, bits)
        return rows

    def _of_empty(self, cache: Layer) -> list[BufferBytes]:
        """A layer without a cache of its own.

        The pool of an attention model counts all layers; beside recurrent layers it counts those
        that attend.
        """
        assert isinstance(cache, NoCache | SharedCache)
        if self.model.caches_of(Recurrent):
            return []
        if self.windowed:
            raise UnsupportedError(
                f"sglang gives the {cache.kind} layers of {self.model.name} a place in one of its "
                "two pools, and the model does not say in which",
                what=f"{cache.kind} layers",
            )
        first = self._attention()
        return [] if first is None else self._paged(FULL, self._shape(first))

    def _attention(self) -> Attention | LatentAttention | None:
        """The model's attention: of its full layers, if it has such."""
        attend = [
            one for one, _ in self.model.caches if isinstance(one, Attention | LatentAttention)
        ]
        full = [one for one in attend if not one.slides]
        return next(iter(full or attend), None)

    def _shape(self, cache: Attention | LatentAttention) -> list[TokenRow]:
        """The rows that all layers of a pool have; an indexer's stand in a buffer of their own."""
        return [row for row in self._rows(cache) if row.buffer != "index_k"]

    def require_one_shape(self) -> None:
        """Refuse layers of one pool whose rows differ.

        Raises:
            UnsupportedError: they do.
        """
        shapes: dict[str, set[tuple[TokenRow, ...]]] = {}
        for cache, _ in self.model.caches:
            if isinstance(cache, Attention | LatentAttention):
                shapes.setdefault(self._pool(cache), set()).add(tuple(self._shape(cache)))
        if any(len(rows) > 1 for rows in shapes.values()):
            raise UnsupportedError(ONE_SHAPE.format(name=self.model.name), what=self.model.name)

    def draft(self) -> LayerBuffers | None:
        """The buffers of a draft's layers.

        Raises:
            UnsupportedError: a draft whose layers are not known to be stored like the model's.
        """
        layers = self.resolved.drafts.layers
        if not layers:
            return None
        first = self._attention()
        unlike = self.model.model_type in architectures.SPARSE_INDEX
        own = self.windowed and self.model.num_nextn_predict_layers is not None
        if first is None or unlike or own:
            raise UnsupportedError.of(
                "draft_layers", f"drafts of {self.model.name} on sglang are not modelled"
            )
        return LayerBuffers("draft", layers, None, tuple(self._paged(FULL, self._rows(first))))
