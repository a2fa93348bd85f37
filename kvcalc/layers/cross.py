"""Attention to a source that an encoder has read."""

from typing import ClassVar

from kvcalc.layers.attention import Attention
from kvcalc.layers.layer import Size


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
