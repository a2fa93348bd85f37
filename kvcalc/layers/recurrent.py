"""Recurrent layers: the published parameters of a state of fixed size."""

from typing import ClassVar

from kvcalc.layers.layer import DtypeName, Layer, Size


class Recurrent(Layer):
    """What layers with a state of fixed size have in common: it does not grow with the context.

    `state_dtype` is the element type of the state, where the file names one.
    """

    state_dtype: DtypeName | None = None

    @property
    def channels(self) -> int:
        """Channels of the convolution before the state; 0 without a convolution."""
        return 0

    @property
    def taps(self) -> int:
        """Length of the convolution, in tokens; 0 without a convolution."""
        return 0

    @property
    def shift_elements(self) -> int:
        """Elements of the rows of the last token that are kept apart from the state."""
        return 0

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state."""
        return 0


class Convolved(Recurrent):
    """A recurrent layer with a convolution of `kernel` tokens before its state."""

    kernel: Size

    @property
    def taps(self) -> int:
        """Length of the convolution, in tokens."""
        return self.kernel


class Mamba(Convolved):
    """Mamba 1 (https://arxiv.org/abs/2312.00752): `inner` channels with `state` elements each."""

    kind: ClassVar[str] = "mamba"
    inner: Size
    state: Size

    @property
    def channels(self) -> int:
        """Channels of the convolution."""
        return self.inner

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state."""
        return self.inner * self.state


class Mamba2(Convolved):
    """Mamba 2 (https://arxiv.org/abs/2405.21060): a `head_dim` by `state` matrix per head.

    `chunk_size` is tokens that the scan takes at once, where the file says.
    """

    kind: ClassVar[str] = "mamba2"
    heads: Size
    head_dim: Size
    groups: Size
    state: Size
    chunk_size: Size | None = None

    @property
    def channels(self) -> int:
        """Channels of the convolution: the heads, and B and C of each group."""
        return self.heads * self.head_dim + 2 * self.groups * self.state

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state."""
        return self.heads * self.head_dim * self.state


class GatedDeltaNet(Convolved):
    """Gated delta net (https://arxiv.org/abs/2412.06464): a key by value matrix per value head."""

    kind: ClassVar[str] = "gated_delta_net"
    key_heads: Size
    value_heads: Size
    key_dim: Size
    value_dim: Size

    @property
    def channels(self) -> int:
        """Channels of the convolution: queries, keys and values."""
        return 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state."""
        return self.value_heads * self.value_dim * self.key_dim


class KimiDeltaAttention(Convolved):
    """Kimi delta attention, KDA (https://arxiv.org/abs/2510.26692): a square matrix per head."""

    kind: ClassVar[str] = "kimi_delta_attention"
    heads: Size
    head_dim: Size

    @property
    def channels(self) -> int:
        """Channels of the three convolutions: queries, keys and values."""
        return 3 * self.heads * self.head_dim

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state."""
        return self.heads * self.head_dim**2


class LightningAttention(Recurrent):
    """Lightning attention (https://arxiv.org/abs/2501.08313): a square matrix per head."""

    kind: ClassVar[str] = "lightning_attention"
    heads: Size
    head_dim: Size

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state."""
        return self.heads * self.head_dim**2


class Mlstm(Recurrent):
    """An mLSTM (https://arxiv.org/abs/2405.04517): a head's matrix, its normaliser and its gate."""

    kind: ClassVar[str] = "mlstm"
    heads: Size
    key_dim: Size
    value_dim: Size

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state."""
        return self.heads * (self.key_dim * self.value_dim + self.key_dim + 1)


class Rwkv(Recurrent):
    """RWKV 6 and 7: `token_shifts` rows of the last token, and a square matrix per head."""

    kind: ClassVar[str] = "rwkv"
    embedding: Size
    head_dim: Size
    token_shifts: Size = 2

    @property
    def shift_elements(self) -> int:
        """Elements of the shifted rows."""
        return self.token_shifts * self.embedding

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state, the shifted rows apart."""
        return self.embedding * self.head_dim


class ShortConvolution(Convolved):
    """A gated short convolution over `width` channels, without a state (LFM2)."""

    kind: ClassVar[str] = "short_convolution"
    width: Size

    @property
    def channels(self) -> int:
        """Channels of the convolution."""
        return self.width


class NgramEmbedding(Convolved):
    """An embedding of the last `ngram` tokens that is added to a layer (Qwen4-Exp's PLE).

    Its convolution of `kernel` columns reaches every `ngram`-th token of `width` channels; the
    ngram - 1 tokens before are kept beside them.
    """

    kind: ClassVar[str] = "ngram_embedding"
    ngram: Size
    width: Size

    @property
    def channels(self) -> int:
        """Channels of the convolution."""
        return self.width

    @property
    def taps(self) -> int:
        """Length of the convolution, in tokens: its columns lie `ngram` apart."""
        return (self.kernel - 1) * self.ngram + 1


class CarriedRow(Recurrent):
    """A row of the last token that a layer carries over to the next (ZAYA)."""

    kind: ClassVar[str] = "carried_row"
    elements: Size

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's state."""
        return self.elements
