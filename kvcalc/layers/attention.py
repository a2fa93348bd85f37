"""Attention layers: what they keep of a token, and for how long."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from kvcalc.errors import RequestError
from kvcalc.layers.layer import MAX_SIZE, DtypeName, Layer, Size


class Attention(Layer):
    """What layers with a key and a value per KV head have in common.

    `v_head_dim` is `head_dim` by default. `query_heads` is a fact of the file that does not change
    the cache; if known, it must be a multiple of `kv_heads`.
    """

    query_heads: Size | None = None
    kv_heads: Size
    head_dim: Size
    v_head_dim: Size | None = None

    @model_validator(mode="after")
    def _query_heads_share_kv_heads(self) -> Self:
        if self.query_heads is not None and self.query_heads % self.kv_heads:
            raise RequestError.about(
                "kv_heads",
                f"found {self.kv_heads}, expected a divisor of the {self.query_heads} query_heads",
                found=self.kv_heads,
            )
        return self

    @property
    def value_dim(self) -> int:
        """Elements of one head's value."""
        return self.head_dim if self.v_head_dim is None else self.v_head_dim


class FullAttention(Attention):
    """A layer that keeps the keys and values of the whole context.

    With `index_head_dim`, a lightning indexer keeps a key of that many elements per token beside
    them, to choose the tokens attended to (MiniMax-M3).
    """

    kind: ClassVar[str] = "full_attention"
    index_head_dim: Size | None = None


class SlidingAttention(Attention):
    """A layer that attends to the last `window` tokens, its own included."""

    kind: ClassVar[str] = "sliding_attention"
    window: Size

    @property
    def windows(self) -> tuple[int, ...]:
        """The layer's window, in tokens."""
        return (self.window,)

    def with_window(self, window: int) -> Layer:
        """Let the layer slide over `window` tokens."""
        return type(self)(**{**dict(self), "window": window})

    def with_full_attention(self) -> Layer:
        """Let the layer keep the whole context."""
        return _full(self)


class ChunkedAttention(Attention):
    """A layer that attends within chunks of `chunk` tokens (Llama 4)."""

    kind: ClassVar[str] = "chunked_attention"
    chunk: Size

    @property
    def attention_window(self) -> int:
        """The layer's chunk, in tokens."""
        return self.chunk

    def with_full_attention(self) -> Layer:
        """Let the layer keep the whole context."""
        return _full(self)


class CrossAttention(Attention):
    """A decoder's layer that keeps the keys and values of the encoded source.

    `source` is its length in tokens, if the model fixes one (Whisper: 1,500).
    """

    kind: ClassVar[str] = "cross_attention"
    source: Size | None = None

    @property
    def sources(self) -> tuple[int, ...]:
        """The length of the source, in tokens; 0 if the model does not fix one."""
        return (self.source or 0,)


class LatentAttention(Layer):
    """A layer of multi-head latent attention (MLA): a token keeps one row for all heads.

    The row is `kv_lora_rank` elements of latent and `qk_rope_head_dim` of rotary key
    (DeepSeek-V2, https://arxiv.org/abs/2405.04434, section 2.1). `sparse` layers attend to the
    tokens an indexer chose (DeepSeek-V3.2); those that own one keep its key of `index_head_dim`
    elements per token, the others share it. With a `window` the layer slides.
    """

    kind: ClassVar[str] = "latent_attention"
    query_heads: Size | None = None
    kv_lora_rank: Size
    qk_rope_head_dim: Annotated[int, Field(strict=True, ge=0, le=MAX_SIZE)]
    window: Size | None = None
    sparse: bool = False
    index_head_dim: Size | None = None
    index_dtype: DtypeName | None = None

    @property
    def row_elements(self) -> int:
        """Elements of one token's row."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    @property
    def windows(self) -> tuple[int, ...]:
        """The layer's window, in tokens, if it has one."""
        return () if self.window is None else (self.window,)

    def with_window(self, window: int) -> Layer:
        """Let the layer slide over `window` tokens, if it slides at all."""
        return self if self.window is None else type(self)(**{**dict(self), "window": window})

    def with_full_attention(self) -> Layer:
        """Let the layer keep the whole context."""
        return type(self)(**{**dict(self), "window": None})


class CompressedAttention(Layer):
    """A layer of DeepSeek V4: a sliding row, key and value at once, and compressed rows.

    A row is `head_dim` elements; `ratio` tokens become one compressed row; with 0 there is only the
    window. `index_head_dim` is the size of the row of the indexer that chooses among them.
    """

    kind: ClassVar[str] = "compressed_attention"
    query_heads: Size | None = None
    head_dim: Size
    window: Size
    ratio: Annotated[int, Field(strict=True, ge=0, le=MAX_SIZE)] = 0
    index_head_dim: Size | None = None

    @property
    def windows(self) -> tuple[int, ...]:
        """The layer's window, in tokens."""
        return (self.window,)

    def with_full_attention(self) -> Layer:
        """Let the layer keep a row of every token, and compress none."""
        return CompressedAttention(head_dim=self.head_dim, window=MAX_SIZE)

    def with_window(self, window: int) -> Layer:
        """Let the layer slide over `window` tokens."""
        return type(self)(**{**dict(self), "window": window})


def _full(layer: Attention) -> FullAttention:
    return FullAttention(**layer.model_dump(include=set(Attention.model_fields)))
