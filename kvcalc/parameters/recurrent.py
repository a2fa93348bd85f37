"""The tensors of recurrent layers: projections, convolution, and the parameters of the state."""

from collections.abc import Iterator

from kvcalc.layers.recurrent import GatedDeltaNet, Mamba2
from kvcalc.parameters.parts import Part
from kvcalc.parameters.sizes import Sizes


def gated_delta_net(layer: GatedDeltaNet, sizes: Sizes) -> Iterator[Part]:
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


def mamba2(layer: Mamba2, sizes: Sizes) -> Iterator[Part]:
    """A Mamba 2 layer: gate, channels and steps in one projection."""
    hidden, width = sizes.hidden_size, layer.heads * layer.head_dim
    yield Part("ssm_in", "recurrent", (width + layer.channels + layer.heads, hidden))
    yield Part("conv", "recurrent", (layer.channels, 1, layer.kernel))
    if sizes.conv_bias:
        yield Part("conv_bias", "recurrent", (layer.channels,))
    yield Part("decay", "recurrent", (layer.heads,))
    yield Part("skip", "recurrent", (layer.heads,))
    yield Part("step_bias", "recurrent", (layer.heads,))
    yield Part("ssm_norm", "norm", (width,))
    yield Part("recurrent_out", "recurrent", (hidden, width))
