"""Attention within chunks of the context."""

from typing import ClassVar

from kvcalc.layers.attention import Attention, full
from kvcalc.layers.layer import Layer, Size


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
        return full(self)
