"""The tensors of recurrent layers: projections, convolution, and the parameters of the state."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kvcalc.parameters.parts import Part
from kvcalc.parameters.sizes import Sizes

if TYPE_CHECKING:
    from kvcalc.layers.recurrent import (
        GatedDeltaNet,
        KimiDeltaAttention,
        LightningAttention,
        Mamba2,
        ShortConvolution,
    )


def gated_delta_net(layer: "GatedDeltaNet", sizes: Sizes) -> Iterator[Part]:
    """A gated delta net (Qwen3-Next, Qwen3.5)."""
    hidden, heads = sizes.hidden_size, layer.value_heads
    width = heads * layer.value_dim
    yield Part("delta_qkv", "recurrent", (layer.channels, hidden))
    yield Part("delta_z", "recurrent", (width, hidden))
    yield Part("delta_b", "recurrent", (heads, hidden))
    yield Part("delta_a", "recurrent", (heads, hidden))
    yield Part("conv", "recurrent", (layer.channels, 1, layer.kernel))
    yield Part("decay", "recurrent", (heads,))
    yield Part("step_bias", "recurrent", (heads,))
    yield Part("delta_norm", "norm", (layer.value_dim,))
    yield Part("recurrent_out", "recurrent", (hidden, width))


def mamba2(layer: "Mamba2", sizes: Sizes) -> Iterator[Part]:
    """A Mamba 2 layer: gate, channels and steps in one projection."""
    hidden, width = sizes.hidden_size, layer.heads * layer.head_dim
    yield Part("ssm_in", "recurrent", (width + layer.channels + layer.heads, hidden))
    yield Part("conv", "recurrent", (layer.channels, 1, layer.kernel))
    if sizes.conv_bias:
        yield Part("conv_bias", "recurrent", (layer.channels,))
    yield Part("decay", "recurrent", (layer.heads,))
    yield Part("skip", "recurrent", (layer.heads,))
    yield Part("step_bias", "recurrent", (layer.heads,))
    if sizes.ssm_norm:
        yield Part("ssm_norm", "norm", (width,))
    yield Part("recurrent_out", "recurrent", (hidden, width))


def kimi_delta(layer: "KimiDeltaAttention", sizes: Sizes) -> Iterator[Part]:
    """Kimi delta attention, whose forget and output gates go by way of one head's width."""
    hidden, width = sizes.hidden_size, layer.heads * layer.head_dim
    yield Part("delta_qkv", "recurrent", (layer.channels, hidden))
    yield Part("conv", "recurrent", (layer.channels, 1, layer.kernel))
    yield Part("gate_a", "recurrent", (layer.head_dim, hidden), 2)
    yield Part("gate_b", "recurrent", (width, layer.head_dim), 2)
    yield Part("delta_b", "recurrent", (layer.heads, hidden))
    yield Part("decay", "recurrent", (layer.heads,))
    yield Part("step_bias", "recurrent", (width,))
    yield Part("delta_norm", "norm", (layer.head_dim,))
    yield Part("recurrent_out", "recurrent", (hidden, width))


def short_convolution(layer: "ShortConvolution", sizes: Sizes) -> Iterator[Part]:
    """A gated short convolution: two gates and what goes through, in one projection (LFM2)."""
    hidden, width = sizes.hidden_size, layer.width
    yield Part("delta_qkv", "recurrent", (3 * width, hidden))
    yield Part("conv", "recurrent", (width, 1, layer.kernel))
    yield Part("recurrent_out", "recurrent", (hidden, width))


def lightning(layer: "LightningAttention", sizes: Sizes) -> Iterator[Part]:
    """Lightning attention (MiniMax-Text-01)."""
    hidden, width = sizes.hidden_size, layer.heads * layer.head_dim
    yield Part("delta_qkv", "recurrent", (3 * width, hidden))
    yield Part("delta_z", "recurrent", (width, hidden))
    yield Part("ssm_norm", "norm", (width,))
    yield Part("recurrent_out", "recurrent", (hidden, width))
