"""A model as SGLang lays it out: which layers keep what, in which pool.

Source: SGLang 0.5.23, srt/configs/model_config.py (is_hybrid_swa_model, get_hybrid_layer_ids) and
srt/mem_cache/kv_cache_configurator.py (_build_token_to_kv_pool).
"""

from dataclasses import dataclass

from kvcalc.dtypes import dtype
from kvcalc.engines.sglang import architectures, compressed, states
from kvcalc.engines.sglang.pools import has_window_pool, pool_window
from kvcalc.engines.sglang.resolved import Resolved
from kvcalc.engines.sglang.rows import (
    BufferBytes,
    block_index,
    keys_and_values,
    latent,
    sparse_index,
)
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.stored import FULL, WINDOW, Kept, Stored
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import Value
from kvcalc.layers.attention import (
    Attention,
    CompressedAttention,
    FullAttention,
    LatentAttention,
)
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import Recurrent
from kvcalc.model import Model

ONE_SHAPE = (
    "sglang stores all layers of a pool in one shape: found several in {name}, whose sizes differ"
)


@dataclass(frozen=True)
class Layout:
    """What a model keeps where; `window` is what SGLang takes for its window, None without a pool.

    `drafted` is what the draft's layers keep, in the full pool's pages.
    """

    kept: tuple[Kept, ...]
    drafted: Kept | None
    window: Value | None
    window_tokens: int | None

    def bytes_of(self, pool: str) -> int:
        """Bytes of all layers, the draft's among them, a unit of a pool."""
        return sum(kept.bytes_of(pool) for kept in self.all)

    def spare_of(self, pool: str) -> int:
        """Bytes that a pool has beside its units."""
        return sum(
            kept.layers * part.spare
            for kept in self.all
            for part in kept.parts
            if part.pool == pool
        )

    @property
    def all(self) -> tuple[Kept, ...]:
        """What the model's layers keep, and the draft's."""
        return self.kept + ((self.drafted,) if self.drafted else ())


def lay_out(model: Model, settings: SglangSettings, resolved: Resolved) -> Layout:
    """Work out what each layer keeps.

    Raises:
        KvcalcError: layers, sizes or ranks that SGLang's pools do not take.
    """
    windowed = has_window_pool(model, settings)
    place = _Place(model, settings, resolved, windowed)
    kept = tuple(
        Kept(
            layer.kind,
            count,
            layer.sole_window,
            tuple(part for cache in layer.caches for part in place.of(cache)),
        )
        for layer, count in model.groups
    )
    place.require_one_shape()
    window, tokens = pool_window(model) if windowed else (None, None)
    return Layout(kept, place.drafted(), window, tokens)


@dataclass
class _Place:
    """Where the caches of one model go."""

    model: Model
    settings: SglangSettings
    resolved: Resolved
    windowed: bool

    def of(self, cache: Layer) -> list[Stored]:
        """What a cache keeps."""
        if isinstance(cache, CompressedAttention):
            return compressed.stored(cache, self.resolved.page)
        if isinstance(cache, Recurrent):
            return states.stored(cache, self.model, self.settings, self.resolved)
        if isinstance(cache, Attention | LatentAttention):
            pool = WINDOW if self.windowed and cache.slides else FULL
            return [self._part(pool, row) for row in self._rows(cache)]
        return self._of_none(cache)

    def _rows(self, cache: Attention | LatentAttention) -> list[BufferBytes]:
        resolved = self.resolved
        if isinstance(cache, LatentAttention):
            scaled = resolved.scaled_rows and cache.window is None
            return latent(cache, resolved.format, resolved.ranks, scaled) + sparse_index(cache)
        rows = keys_and_values(cache, resolved.format, resolved.ranks, self.windowed)
        if isinstance(cache, FullAttention) and cache.index_head_dim is not None:
            bits = 8 if resolved.index_in_8_bits else dtype(self.model.dtype).bits
            rows += block_index(cache, bits)
        return rows

    def _part(self, pool: str, row: BufferBytes) -> Stored:
        page = self.resolved.page
        working = row.working if page == 1 else f"{page} tokens x {row.working}"
        return Stored(pool, f"{pool}.{row.buffer}", working, row.bytes * page, row.bytes * page)

    def _of_none(self, cache: Layer) -> list[Stored]:
        """A layer without a cache of its own.

        The pool of an attention model counts layers, whatever they keep; beside recurrent layers
        it counts those that attend.
        """
        assert isinstance(cache, NoCache | SharedCache)
        if self.model.caches_of(Recurrent):
            return []
        if self.windowed:
            raise KvcalcError(
                f"sglang gives the {cache.kind} layers of {self.model.name} a place in one of its "
                "two pools, and the model does not say in which"
            )
        first = self._attention()
        return [] if first is None else [self._part(FULL, row) for row in self._plain(first)]

    def _attention(self) -> Attention | LatentAttention | None:
        """The model's attention: of its full layers, if it has such."""
        attend = [
            one for one, _ in self.model.caches if isinstance(one, Attention | LatentAttention)
        ]
        full = [one for one in attend if not one.slides]
        return next(iter(full or attend), None)

    def _plain(self, cache: Attention | LatentAttention) -> list[BufferBytes]:
        return [row for row in self._rows(cache) if row.buffer != "index_k"]

    def require_one_shape(self) -> None:
        """Refuse layers of one pool whose rows differ.

        Raises:
            KvcalcError: they do.
        """
        shapes: dict[str, set[tuple[BufferBytes, ...]]] = {}
        for cache, _ in self.model.caches:
            if isinstance(cache, Attention | LatentAttention):
                pool = WINDOW if self.windowed and cache.slides else FULL
                shapes.setdefault(pool, set()).add(tuple(self._plain(cache)))
        if any(len(rows) > 1 for rows in shapes.values()):
            raise KvcalcError(ONE_SHAPE.format(name=self.model.name))

    def drafted(self) -> Kept | None:
        """What the layers of a draft keep.

        Raises:
            KvcalcError: a draft whose layers are not known to be stored like the model's.
        """
        layers = self.resolved.drafts.layers
        if not layers:
            return None
        first = self._attention()
        unlike = self.model.model_type in architectures.SPARSE_INDEX
        own = self.windowed and self.model.num_nextn_predict_layers is not None
        if first is None or unlike or own:
            raise KvcalcError(
                f"draft_layers: drafts of {self.model.name} on sglang are not modelled"
            )
        return Kept(
            "draft", layers, None, tuple(self._part(FULL, row) for row in self._rows(first))
        )
