"""What one layer keeps in the pool, by vLLM's kinds of cache (v1/kv_cache_interface.py).

Each answers for its own page, in bytes of one block on one rank, and for the blocks that one
request takes of it. Equal caches may share a group; a family of caches may share one group whole.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple

from kvcalc.costs import CONTEXT
from kvcalc.engines.vllm.kernels import Backend
from kvcalc.formula.expression import Value, cdiv, minimum


class Row(NamedTuple):
    """The bytes of a row of a layer on one rank, and how they come about, in words.

    A row is a token's, or stands for so many `tokens`.
    """

    bytes: int
    words: str
    tokens: int = 1


def index_row(size: int) -> Row:
    """A key of an indexer with the scales that stand beside it."""
    return Row(size, f"{size} bytes (a key and its scales)")


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A layer's cache: a block of `block` tokens is a page of `page` bytes.

    `shape` is what else must be equal for layers to share a group: heads, sizes, element type.
    `alignment` is the stride, in bytes, that the kernel wants blocks to begin at. Of the page,
    `padding` bytes hold nothing. `row` is one of those that a block is made of, if it is.
    """

    kind: ClassVar[str]
    pads: ClassVar[bool] = True
    layer: str
    shape: tuple[object, ...] = ()
    block: int
    page: int
    alignment: int = 1
    padding: int = 0
    row: Row | None = field(default=None, compare=False)

    @cached_property
    def derived(self) -> str:
        """How the page comes about, in words."""
        if self.row is None:
            return "a layer's bytes of one block"
        rows = self.block // self.row.tokens
        rest = self.page - rows * self.row.bytes
        padded = f" + {rest:,} of padding" if rest else ""
        each = f" / {self.row.tokens}" if self.row.tokens > 1 else ""
        return f"{self.block:,} tokens{each} x {self.row.words}{padded}"

    @property
    def family(self) -> Hashable:
        """What caches have in common that can share one group, whatever their pages."""
        return self.kind

    def blocks(self, block: Value) -> Value:
        """Blocks of `block` tokens that one request takes."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FullCache(Cache):
    """All tokens; under decode context parallelism, shared among `shards` ranks."""

    kind: ClassVar[str] = "full_attention"
    shards: int = 1
    windows: tuple[tuple[str, int], ...] = ()

    @property
    def family(self) -> Hashable:
        """Any full or latent attention that is sharded alike."""
        return "full", self.shards

    def blocks(self, block: Value) -> Value:
        """As many as hold the context."""
        return cdiv(cdiv(CONTEXT, self.shards), block)


@dataclass(frozen=True, kw_only=True)
class LatentCache(FullCache):
    """Rows of latent attention or of an indexer, which no padding may stand between."""

    kind: ClassVar[str] = "mla_attention"
    pads: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class LocalCache(Cache):
    """Some of the tokens: `retained`, of `token` bytes each. Its page may be `padded`."""

    token: int
    padded: bool = False
    retained: Value
    kernels: Backend

    def as_full(self, like: FullCache) -> FullCache:
        """The cache of all tokens instead, in blocks of as many tokens as another's."""
        page = max(self.token * like.block, self.page if self.padded else 0)
        stride = self.kernels.stride(like.block, self.token)
        return FullCache(
            layer="full_attention",
            shape=self.shape,
            block=like.block,
            page=page,
            # A padded page stays padded where the kernel cuts it.
            alignment=page if self.padded and stride > 1 else stride,
            shards=like.shards,
            windows=self.windows,
            row=self.row,
        )

    @property
    def windows(self) -> tuple[tuple[str, int], ...]:
        """What it attends to, by name and in tokens."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class SlidingCache(LocalCache):
    """The last `window` tokens but one, and the tokens in flight."""

    kind: ClassVar[str] = "sliding_window"
    window: int

    @property
    def family(self) -> Hashable:
        """Any sliding attention over the same window."""
        return self.kind, self.window

    @property
    def windows(self) -> tuple[tuple[str, int], ...]:
        """Its window."""
        return (("window", self.window),)

    def blocks(self, block: Value) -> Value:
        """As many as hold what is retained, and one, for it may begin inside a block."""
        return cdiv(minimum(self.retained, CONTEXT), block) + 1


@dataclass(frozen=True, kw_only=True)
class SlidingLatentCache(SlidingCache):
    """A sliding cache of rows, which no padding may stand between (DeepSeek V4)."""

    kind: ClassVar[str] = "sliding_window_mla"
    pads: ClassVar[bool] = False

    def as_full(self, like: FullCache) -> FullCache:
        """The rows of all tokens instead, their page rounded up as the kernel wants it."""
        return LatentCache(
            layer=self.layer,
            shape=self.shape,
            block=like.block,
            page=-(-self.token * like.block // self.alignment) * self.alignment,
            alignment=self.alignment,
            shards=like.shards,
        )


@dataclass(frozen=True, kw_only=True)
class ChunkedCache(LocalCache):
    """A chunk, and the tokens in flight."""

    kind: ClassVar[str] = "chunked_local_attention"
    chunk: int

    @property
    def family(self) -> Hashable:
        """Any chunked attention of the same chunk."""
        return self.kind, self.chunk

    @property
    def windows(self) -> tuple[tuple[str, int], ...]:
        """Its chunk."""
        return (("chunk", self.chunk),)

    def blocks(self, block: Value) -> Value:
        """As many as hold what is retained."""
        return cdiv(minimum(self.retained, CONTEXT), block)


@dataclass(frozen=True, kw_only=True)
class CrossCache(Cache):
    """The encoder's tokens: as many as may be in flight, whatever the source's length."""

    kind: ClassVar[str] = "cross_attention"
    encoder_tokens: Value

    def blocks(self, block: Value) -> Value:
        """As many as hold the encoder's tokens."""
        return cdiv(self.encoder_tokens, block)


@dataclass(frozen=True, kw_only=True)
class CircularCache(Cache):
    """A ring of the last tokens' raw keys: one block of one request, whatever its length."""

    kind: ClassVar[str] = "circular_buffer"

    def blocks(self, block: Value) -> Value:
        """The ring."""
        return 1


@dataclass(frozen=True, kw_only=True)
class StateCache(Cache):
    """A state of fixed size, one per block; `blocks_held` of one request, a `checkpoint` or none.

    With `each_block` a state is kept for each block of the context, too. A `replicated` state is
    whole on every rank.
    """

    kind: ClassVar[str] = "mamba"
    state: int
    blocks_held: int
    checkpoint: int
    each_block: bool = False
    replicated: bool = False

    @cached_property
    def derived(self) -> str:
        """How the page comes about, in words."""
        padded = f" + {self.page - self.state:,} of padding" if self.page > self.state else ""
        return f"a state of {self.state:,} bytes{padded}"

    @property
    def family(self) -> Hashable:
        """Any state with as large a page, if a request takes as many."""
        same = self.blocks_held, self.checkpoint, self.each_block, self.replicated
        return self.kind, self.page, *same

    def blocks(self, block: Value) -> Value:
        """The state, its copies for drafts and for prefix caching."""
        return self.blocks_held + (cdiv(CONTEXT, block) if self.each_block else 0)


Placed = tuple[int, Cache]
"""A cache, and the layer that owns it, by its place in the model."""
