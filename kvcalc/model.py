"""The model: its layers, in order, each with the published shape of what it caches.

What an engine makes of a shape (pages, copies on ranks, element types) is the engine's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import cycle, islice
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from kvcalc.dtypes import dtype
from kvcalc.errors import KvcalcError, shown
from kvcalc.frozen import Frozen

MAX_LAYERS = 10**6
MAX_SIZE = 2**40

Size = Annotated[int, Field(strict=True, ge=1, le=MAX_SIZE)]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"found {shown(text)}, expected text without control characters")
    return text


Text = Annotated[str, Field(strict=True, min_length=1, max_length=200), AfterValidator(_printable)]


class Attention(Frozen):
    """What layers with a key and a value a KV head have in common.

    Sizes are elements of one head; `v_head_dim` is `head_dim` unless given. `query_heads` is a
    fact of the file that changes no cache; where known, it must be a multiple of `kv_heads`.
    """

    query_heads: Size | None = None
    kv_heads: Size
    head_dim: Size
    v_head_dim: Size | None = None

    @model_validator(mode="after")
    def _query_heads_share_kv_heads(self) -> Self:
        if self.query_heads is not None and self.query_heads % self.kv_heads:
            raise ValueError(
                f"kv_heads: found {self.kv_heads}, expected a divisor of the "
                f"{self.query_heads} query_heads"
            )
        return self

    @property
    def value_dim(self) -> int:
        """Elements of one head's value."""
        return self.head_dim if self.v_head_dim is None else self.v_head_dim


class FullAttention(Attention):
    """A layer that keeps the keys and values of the whole context."""

    kind: Literal["full_attention"] = "full_attention"


class SlidingAttention(Attention):
    """A layer that attends to the last `window` tokens, its own included."""

    kind: Literal["sliding_attention"] = "sliding_attention"
    window: Size


class ChunkedAttention(Attention):
    """A layer that attends within chunks of `chunk` tokens (Llama 4)."""

    kind: Literal["chunked_attention"] = "chunked_attention"
    chunk: Size


class LatentAttention(Frozen):
    """A layer of multi-head latent attention (MLA): a token keeps one row for all heads.

    The row is `kv_lora_rank` elements of latent and `qk_rope_head_dim` of rotary key
    (DeepSeek-V2, https://arxiv.org/abs/2405.04434, section 2.1).
    """

    kind: Literal["latent_attention"] = "latent_attention"
    query_heads: Size | None = None
    kv_lora_rank: Size
    qk_rope_head_dim: Size

    @property
    def row_elements(self) -> int:
        """Elements of one token's row."""
        return self.kv_lora_rank + self.qk_rope_head_dim


Layer = Annotated[
    FullAttention | SlidingAttention | ChunkedAttention | LatentAttention,
    Field(discriminator="kind"),
]


class Model(Frozen):
    """A model's published shape.

    `layers` is in order, one entry a layer. `dtype` is the model's own element type.
    `max_context` and `contexts` are tokens of one sequence; `contexts` and `windows` are those
    that the model's authors speak of, which a sweep uses when asked for no others.

    Raises:
        KvcalcError: a field is missing, unknown or out of range; the sentence names it.
    """

    name: Text
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_LAYERS)]
    dtype: Annotated[Text, AfterValidator(lambda name: dtype(name).name)] = "bfloat16"
    model_type: Text | None = None
    parameters: Size | None = None
    active_parameters: Size | None = None
    max_context: Size | None = None
    contexts: tuple[Size, ...] = ()
    windows: tuple[Size, ...] = ()

    @cached_property
    def groups(self) -> tuple[tuple[Layer, int], ...]:
        """Equal layers and how many there are, in the order of their first appearance."""
        return tuple(Counter(self.layers).items())

    @cached_property
    def sliding_windows(self) -> tuple[int, ...]:
        """The different windows of the sliding layers, in tokens, in order of appearance."""
        windows = (layer.window for layer, _ in self.groups if isinstance(layer, SlidingAttention))
        return tuple(dict.fromkeys(windows))

    @property
    def window(self) -> int | None:
        """The window of the sliding layers, in tokens; None where there is none or several."""
        return self.sliding_windows[0] if len(self.sliding_windows) == 1 else None

    def with_window(self, window: int) -> Self:
        """Give all sliding layers one window, in tokens.

        Raises:
            KvcalcError: the model has no sliding layers, or the window is not a size.
        """
        if not self.sliding_windows:
            raise KvcalcError(no_window(self))
        return self._replace_layers(
            SlidingAttention(**{**layer.model_dump(), "window": window})
            if isinstance(layer, SlidingAttention)
            else layer
            for layer, _ in self.groups
        )

    def with_full_attention(self) -> Self:
        """Let every sliding and chunked layer keep the whole context."""
        return self._replace_layers(
            FullAttention(**layer.model_dump(include=set(Attention.model_fields)))
            if isinstance(layer, SlidingAttention | ChunkedAttention)
            else layer
            for layer, _ in self.groups
        )

    def _replace_layers(self, replacements: Iterable[Layer]) -> Self:
        kinds = (layer for layer, _ in self.groups)
        replacement = dict(zip(kinds, replacements, strict=True))
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        fields["layers"] = tuple(replacement[layer] for layer in self.layers)
        return type(self)(**fields)


def repeated(pattern: str, layers: Mapping[str, Layer], count: int) -> tuple[Layer, ...]:
    """Repeat a pattern such as "LLLG", and cut it, to `count` layers; letters name the layers.

    Raises:
        KvcalcError: a letter that names no layer, a layer that no letter names, or a count out
            of range.
    """
    if not 1 <= count <= MAX_LAYERS:
        raise KvcalcError(f"layers: found {shown(count)}, expected 1 to {MAX_LAYERS:,}")
    if unknown := [letter for letter in pattern if letter not in layers]:
        raise KvcalcError(
            f"pattern: found the letter {shown(unknown[0])}, expected {' or '.join(layers)}"
        )
    if unused := [letter for letter in layers if letter not in pattern]:
        raise KvcalcError(f"layers: {shown(unused[0])} is not in the pattern {shown(pattern)}")
    return tuple(layers[letter] for letter in islice(cycle(pattern), count))


def no_window(model: Model) -> str:
    """Say why a window cannot be given for a model without sliding layers."""
    return f"window: {model.name} has no sliding layers, so it has no window to set"
