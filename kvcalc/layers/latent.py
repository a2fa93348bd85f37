"""Attention layers that keep one row for all heads: latent attention, and DeepSeek V4's."""

from typing import Annotated, ClassVar

from pydantic import Field

from kvcalc.layers.layer import MAX_SIZE, DtypeName, Layer, Size


class LatentAttention(Layer):
    """A layer of multi-head latent attention (MLA): a token keeps one row for all heads.

    The row is `kv_lora_rank` elements of latent and `qk_rope_head_dim` of rotary key
    (DeepSeek-V2, https://arxiv.org/abs/2405.04434, section 2.1). `sparse` layers attend to the
    tokens an indexer chose (DeepSeek-V3.2); those that own one keep its key of `index_head_dim`
    elements per token, the others share it; with `index_pool` it is one key per that many tokens
    (GLM-5.3-Flash). With a `window` the layer slides.
    """

    kind: ClassVar[str] = "latent_attention"
    query_heads: Size | None = None
    kv_lora_rank: Size
    qk_rope_head_dim: Annotated[int, Field(strict=True, ge=0, le=MAX_SIZE)]
    window: Size | None = None
    sparse: bool = False
    index_head_dim: Size | None = None
    index_dtype: DtypeName | None = None
    index_pool: Size | None = None

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
