"""The states of a slot, allocated when the model loads, whether a sequence uses them or not.

Nothing of them is quantised (modules/sliding_attn.py, gated_delta_net.py, mamba2.py, short_conv.py;
cache/dsa.py).
"""

from typing import TYPE_CHECKING, Any

from kvcalc.engines.exllamav3.layer_parts import Part
from kvcalc.engines.exllamav3.settings import PAGE, ExllamaV3Settings
from kvcalc.formula.expression import Value, ceil

if TYPE_CHECKING:
    from kvcalc.layers.attention import Attention
    from kvcalc.layers.latent import CompressedAttention
    from kvcalc.layers.recurrent import Recurrent

BESIDE_WINDOW = 2 * PAGE
"""Tokens of a ring beside its window, so that a draft can be taken back."""

TWICE = "the state, kept twice"
"""So that a step can be taken back."""

SPARE = 2
"""Windows of compression that are kept beside those of a page (cache/dsa.py, ovl_depth)."""


def ring_tokens(window: Value, less: int) -> Value:
    """Tokens of a sliding layer's ring; its window is `less` tokens shorter than the file's."""
    return ceil(window + (BESIDE_WINDOW - less), PAGE)


def ring(layer: "Attention", tokens: Value) -> tuple[Part, ...]:
    """Keys and values of the window, each at the key's size, in float16."""
    sizes = f"2 x {layer.kv_heads} KV heads x {layer.head_dim} elements of float16"
    row = 4 * layer.kv_heads * layer.head_dim
    return (Part("a ring", f"({tokens}) tokens x {sizes}", tokens * row),)


def compressed(layer: "CompressedAttention", tokens: Value) -> tuple[Part, ...]:
    """A ring of rows, and what the compressors have not used up yet."""
    size, ratio, index = layer.head_dim, layer.ratio, layer.index_head_dim
    parts = [Part("a ring", f"({tokens}) tokens x {size} elements of float16", tokens * (2 * size))]
    if not ratio:
        return tuple(parts)
    buffer = PAGE + ratio
    overlaps = 1 if index is None else 2
    parts.append(_buffers("the compressor's rows and gates", buffer, overlaps * size))
    if index is not None:
        depth = PAGE // ratio + SPARE
        parts.append(_overlap("the compressor's last windows", depth, ratio, size))
        parts.append(_buffers("the indexer's rows and gates", buffer, 2 * index))
        parts.append(_overlap("the indexer's last windows", depth, ratio, index))
    return tuple(parts)


def _buffers(what: str, rows: int, width: int) -> Part:
    return Part(what, f"2 x {rows} rows x {width} elements of float16", 2 * rows * width * 2)


def _overlap(what: str, depth: int, ratio: int, width: int) -> Part:
    working = f"{depth} windows x 2 x {ratio} x {width} elements of float32"
    return Part(what, working, depth * 2 * ratio * width * 4)


def recurrent(layer: "Recurrent", settings: ExllamaV3Settings) -> tuple[Part, ...]:
    """A convolution's ring, the state twice, and what a pass of drafted tokens is replayed from."""
    columns = layer.taps + settings.max_history
    ring = 2 * layer.channels * columns
    working = f"{layer.channels} channels x {columns} columns of 2 bytes"
    parts = [Part("the convolution's ring", working, ring)]
    if not layer.state_elements:
        return tuple(parts)
    heads, gates = _heads_and_gates(layer)
    wide = layer.kind == "mamba2" or settings.recurrent_state_fp32
    size, stored = (4, "float32") if wide else (2, "float16")
    elements, passes = layer.state_elements, settings.max_history + 1
    staged = passes * (2 * layer.channels + 2 * heads + 4 * gates)
    return (
        *parts,
        Part(TWICE, f"2 x {elements} elements of {stored}", 2 * elements * size),
        Part(
            "the inputs of the last pass",
            f"{passes} tokens x ({layer.channels} channels and {heads} heads of 2 bytes, "
            f"{gates} gates of 4)",
            staged,
        ),
    )


def _heads_and_gates(layer: Any) -> tuple[int, int]:
    """Heads of the state, and gates of a token: one for each head, or each key channel (KDA)."""
    if layer.kind == "gated_delta_net":
        return layer.value_heads, layer.value_heads
    if layer.kind == "kimi_delta_attention":
        return layer.heads, layer.heads * layer.head_dim
    return layer.heads, layer.heads  # Mamba 2
