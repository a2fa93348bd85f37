"""Decoders beside an encoder: each layer keeps the keys and values of the encoded source too.

A file whose `architectures` names the class for both is read so; one without it is a decoder's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kvcalc.layers.attention import Attention
from kvcalc.layers.composed import Combined
from kvcalc.layers.cross import CrossAttention
from kvcalc.layers.layer import Layer
from kvcalc.readers.huggingface.keys import Keys

OF_BOTH = ("ForConditionalGeneration", "ForSpeechSeq2Seq", "ForTextToSpeech")
"""Ends of the names of classes that have an encoder and a decoder."""

FIXED_SOURCES = {"whisper": "max_source_positions"}
"""Keys of the source's length, in tokens, where a model pads every source to it
(transformers 5.24.0, models/whisper: 30 seconds are 1,500)."""

OPEN = (
    "its layers also attend to an encoded source, whose length the file does not fix: their cache "
    "of it is counted for 0 tokens (the library's cost takes source=)"
)
ALONE = (
    "an encoder-decoder's file without its architectures: read as the decoder alone, which keeps "
    "nothing of a source"
)


def with_source(
    keys: Keys, architectures: Any, layers: Sequence[Layer]
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Put the source's cache beside each layer's own, where there is an encoder; with notes on it.

    Raises:
        KvcalcError: the key of the source's length is something else.
    """
    own = tuple(layers)
    # A copy, as `show` lists what the original was asked for.
    if not Keys(keys.table, keys.names, keys.defaults).flag("is_encoder_decoder"):
        return own, ()
    named = architectures if isinstance(architectures, list) else []
    if not any(isinstance(name, str) and name.endswith(OF_BOTH) for name in named):
        return own, (ALONE,)
    key = FIXED_SOURCES.get(keys.table.get("model_type") or "")
    source = keys.size(key) if key and keys.has(key) else None
    return tuple(_beside(layer, source) for layer in own), () if source else (OPEN,)


def _beside(layer: Layer, source: int | None) -> Layer:
    attention = next((cache for cache in layer.caches if isinstance(cache, Attention)), None)
    if attention is None or any(isinstance(cache, CrossAttention) for cache in layer.caches):
        return layer
    shape: Mapping[str, Any] = attention.model_dump(include=set(Attention.model_fields))
    return Combined(parts=(*layer.caches, CrossAttention(**shape, source=source)))
