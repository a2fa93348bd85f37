"""Attention layers that keep a key and a value per KV head, of all tokens or of a window."""

from typing import ClassVar, Self

from pydantic import model_validator

from kvcalc.errors import RequestError
from kvcalc.layers.layer import Layer, Size


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
            raise RequestError.of(
                "kv_heads", self.kv_heads, f"a divisor of the {self.query_heads} query_heads"
            )
        return self

    @property
    def value_dim(self) -> int:
        """Elements of one head's value."""
        return self.head_dim if self.v_head_dim is None else self.v_head_dim


class FullAttention(Attention):
    """A layer that keeps the keys and values of the whole context.

    With `index_head_dim`, a lightning indexer keeps a key of that many elements per token beside
    them, to choose the tokens attended to (MiniMax-M3); with `index_pool`, one per that many tokens
    (Qwen4-Exp).
    """

    kind: ClassVar[str] = "full_attention"
    index_head_dim: Size | None = None
    index_pool: Size | None = None


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
        return full(self)


def full(layer: Attention) -> FullAttention:
    """Let a layer keep the whole context."""
    return FullAttention(**layer.model_dump(include=set(Attention.model_fields)))
