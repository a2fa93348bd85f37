"""The tensors of recurrent layers: projections, convolution, and the parameters of the state."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kvcalc.errors import UnsupportedError
from kvcalc.parameters.parts import Part
from kvcalc.parameters.sizes import Sizes

if TYPE_CHECKING:
    from kvcalc.layers.recurrent import (
        GatedDeltaNet,
        KimiDeltaAttention,
        LightningAttention,
        Mamba,
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


def mamba(layer: "Mamba", sizes: Sizes) -> Iterator[Part]:
    """A Mamba 1 layer: each channel's steps by way of a low rank, beside B and C.

    Raises:
        UnsupportedError: the rank is missing.
    """
    hidden, inner, rank = sizes.hidden_size, layer.inner, sizes.step_rank
    if rank is None:
        raise UnsupportedError.of("step_rank", "missing beside a Mamba layer")
    yield Part("ssm_in", "recurrent", (2 * inner, hidden))
    yield Part("conv", "recurrent", (inner, 1, layer.kernel))
    if sizes.conv_bias:
        yield Part("conv_bias", "recurrent", (inner,))
    yield Part("ssm_steps", "recurrent", (rank + 2 * layer.state, inner))
    yield Part("ssm_step", "recurrent", (inner, rank))
    yield Part("step_bias", "recurrent", (inner,))
    yield Part("decay", "recurrent", (inner, layer.state))
    yield Part("skip", "recurrent", (inner,))
    if sizes.state_norms:
        yield Part("norm", "norm", (rank,))
        yield Part("norm", "norm", (layer.state,), 2)
    yield from _out(sizes, inner, 2 * inner)


def _out(sizes: Sizes, width: int, projected: int) -> Iterator[Part]:
    """The way back from a state, and the biases of both projections."""
    yield Part("recurrent_out", "recurrent", (sizes.hidden_size, width))
    if sizes.ssm_bias:
        yield Part("ssm_in_bias", "recurrent", (projected,))
        yield Part("recurrent_out_bias", "recurrent", (sizes.hidden_size,))


def mamba2(layer: "Mamba2", sizes: Sizes) -> Iterator[Part]:
    """A Mamba 2 layer: gate, channels and steps in one projection."""
    hidden, width = sizes.hidden_size, layer.heads * layer.head_dim
    projected = width + layer.channels + layer.heads
    yield Part("ssm_in", "recurrent", (projected, hidden))
    yield Part("conv", "recurrent", (layer.channels, 1, layer.kernel))
    if sizes.conv_bias:
        yield Part("conv_bias", "recurrent", (layer.channels,))
    yield Part("decay", "recurrent", (layer.heads,))
    yield Part("skip", "recurrent", (layer.heads,))
    yield Part("step_bias", "recurrent", (layer.heads,))
    if sizes.ssm_norm:
        yield Part("ssm_norm", "norm", (width,))
    yield from _out(sizes, width, projected)


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
