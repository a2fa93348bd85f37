"""What each kind of layer keeps, by a model's architecture and its settings."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc.costs import window_of
from kvcalc.engines.exllamav3 import paged, states
from kvcalc.engines.exllamav3.architectures import RINGS, architecture_of
from kvcalc.engines.exllamav3.layer_parts import LayerParts
from kvcalc.engines.exllamav3.settings import ExllamaV3Settings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value
from kvcalc.layers.layer import Layer
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.layers.attention import FullAttention, SlidingAttention
    from kvcalc.layers.latent import CompressedAttention, LatentAttention
    from kvcalc.layers.recurrent import Recurrent


class LayerRules(NamedTuple):
    """The rules for a model and its settings.

    `less` is by how many tokens a ring's window is shorter than the file's; None where sliding
    layers are paged in full, as most architectures do, and as a model given by its shape is taken.
    """

    model: Model
    settings: ExllamaV3Settings
    less: int | None

    @classmethod
    def of(cls, model: Model, settings: ExllamaV3Settings) -> "LayerRules":
        """Find the rules of a model's architecture.

        Raises:
            UnsupportedError: ExLlamaV3 has none for it.
        """
        name = architecture_of(model)
        less = None if settings.swa_full else RINGS.get(name or "")
        return cls(model, settings, less)

    def parts(self, layer: Layer) -> LayerParts:
        """What a layer keeps.

        Raises:
            UnsupportedError: a kind of layer that ExLlamaV3 has not, or bits that it cannot pack.
        """
        rule = KINDS.get(layer.kind)
        if rule is None:
            raise UnsupportedError(
                f"exllamav3 does not support {layer.kind} layers", what=f"{layer.kind} layers"
            )
        return rule(self, layer)

    def ring_tokens(self, window: int) -> Value:
        """Tokens of the ring of a layer with a window."""
        return states.ring_tokens(window_of(self.model, window), self.less or 0)

    def full(self, layer: "FullAttention") -> LayerParts:
        """Pages of keys and values."""
        if layer.index_head_dim is not None:
            raise self.without("an indexer", layer)
        return LayerParts(paged.keys_and_values(layer, self.settings.bits))

    def sliding(self, layer: "SlidingAttention") -> LayerParts:
        """A ring, or pages as of a full layer."""
        if self.less is None:
            return LayerParts(paged.keys_and_values(layer, self.settings.bits))
        return LayerParts(slot=states.ring(layer, self.ring_tokens(layer.window)))

    def latent(self, layer: "LatentAttention") -> LayerParts:
        """Pages of latent rows."""
        if layer.window is not None:
            raise self.without("a window", layer)
        return LayerParts(paged.latent(layer, self.settings.bits))

    def compressed(self, layer: "CompressedAttention") -> LayerParts:
        """Pages of compressed rows beside a ring."""
        ring = self.ring_tokens(layer.window)
        return LayerParts(
            paged.compressed(layer, self.settings.bits), states.compressed(layer, ring)
        )

    def recurrent(self, layer: "Recurrent") -> LayerParts:
        """A state of fixed size."""
        return LayerParts(slot=states.recurrent(layer, self.settings))

    def nothing(self, layer: Layer) -> LayerParts:
        """No cache."""
        return LayerParts()

    def without(self, what: str, layer: Layer) -> UnsupportedError:
        """Say that layers of a kind are not supported with something that they have."""
        kind = f"{layer.kind} layers with {what}"
        return UnsupportedError(f"exllamav3 does not support {kind}", what=kind)


KINDS: Mapping[str, Callable[[LayerRules, Any], LayerParts]] = {
    "full_attention": LayerRules.full,
    "sliding_attention": LayerRules.sliding,
    "latent_attention": LayerRules.latent,
    "compressed_attention": LayerRules.compressed,
    "gated_delta_net": LayerRules.recurrent,
    "kimi_delta_attention": LayerRules.recurrent,
    "mamba2": LayerRules.recurrent,
    "short_convolution": LayerRules.recurrent,
    "no_cache": LayerRules.nothing,
}
"""The rules by kind; ExLlamaV3 has no class for any other."""
