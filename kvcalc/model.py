"""The model: its layers, in order, each with the published shape of what it caches.

How an engine stores such a shape (pages, copies on ranks, element types) is the engine's business.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import cycle, islice
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

from pydantic import Field, model_validator

from kvcalc.dtypes import dtype
from kvcalc.errors import RequestError, UnsupportedError, quote
from kvcalc.frozen import Frozen, Text, checked
from kvcalc.layers.layer import DtypeName, Layer, Size
from kvcalc.parameters.sizes import Sizes

if TYPE_CHECKING:
    from kvcalc.checkpoint import CacheScheme, ConfigFacts
    from kvcalc.parameters.counts import Parameters
    from kvcalc.parameters.quantization import Format, Quantization
    from kvcalc.parameters.tensor import Tensor

Kind = TypeVar("Kind", bound=Layer)

ParameterCount = Annotated[int, Field(strict=True, ge=1, le=2**50)]
"""Parameters of a whole model, which outgrow a `Size`: DeepSeek-V4-Pro has 1.6 * 10^12."""

MAX_LAYERS = 10**6
MAX_GROUPS = 500
"""The most different layers; a formula has a term for each, nested that deep."""


if not TYPE_CHECKING:
    CacheScheme = checked("kvcalc.checkpoint", "CacheScheme")
    ConfigFacts = checked("kvcalc.checkpoint", "ConfigFacts")
    Quantization = checked("kvcalc.parameters.quantization", "Quantization")


class Model(Frozen):
    """A model's published shape.

    `layers` is in order, one entry per layer. `dtype` is the model's own element type.
    `max_context` and `contexts` are tokens of one sequence; `contexts` and `windows` are those
    that the model's authors mention, which a sweep uses by default.
    `num_nextn_predict_layers` counts the layers that draft tokens (multi-token prediction, MTP),
    which are not among `layers`; `mtp_layers` are those that the file gives a type and a window of
    their own; what an engine builds of them is its own. `weights_dtype` is how
    the weights are published, where that is not `dtype`, `cache_scheme` how its KV cache is to be
    stored, where the checkpoint says so; `config_facts` is what else its config.json says, where
    it was read from one; `hub_id` is the repository on the Hugging Face Hub that a server loads
    them from, with @ and a revision where one was asked for. `sizes` are what the tensors of its
    checkpoint follow from; None where no rule is known for its `model_type`.

    Raises:
        RequestError: a field is missing, unknown or out of range; the sentence names it.
    """

    name: Text
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_LAYERS)]
    dtype: DtypeName = "bfloat16"
    weights_dtype: Text | None = None
    cache_scheme: CacheScheme | None = None
    model_type: Text | None = None
    config_facts: ConfigFacts | None = None
    parameters: ParameterCount | None = None
    active_parameters: ParameterCount | None = None
    num_nextn_predict_layers: Size | None = None
    mtp_layers: Annotated[tuple[Layer, ...], Field(max_length=MAX_LAYERS)] = ()
    max_context: Size | None = None
    contexts: tuple[Size, ...] = ()
    windows: tuple[Size, ...] = ()
    hub_id: Text | None = None
    sizes: Sizes | None = None
    quantization: Quantization | None = None

    @model_validator(mode="after")
    def _says_no_more_than_its_layers(self) -> Self:
        if self.windows and not any(layer.windows for layer in set(self.layers)):
            raise RequestError.about(
                "windows", f"found {self.windows}, but no layer slides", found=self.windows
            )
        longest = max(self.contexts, default=0)
        if self.max_context is not None and longest > self.max_context:
            most = f"at most max_context, {self.max_context:,}"
            raise RequestError.about("contexts", f"found {longest:,}", found=longest, expected=most)
        return self

    @cached_property
    def groups(self) -> tuple[tuple[Layer, int], ...]:
        """The different layers, with how many there are of each, in order of appearance."""
        groups = tuple(Counter(self.layers).items())
        if len(groups) > MAX_GROUPS:
            raise RequestError.about(
                "layers",
                f"found {len(groups):,} different ones",
                found=len(groups),
                expected=f"at most {MAX_GROUPS}",
            )
        return groups

    @cached_property
    def sliding_windows(self) -> tuple[int, ...]:
        """The different windows of the sliding layers, in tokens, in order of appearance."""
        return tuple(dict.fromkeys(w for layer, _ in self.groups for w in layer.windows))

    @property
    def longest_context(self) -> int:
        """The model's own maximum, in tokens of one sequence.

        Raises:
            RequestError: the model has no maximum.
        """
        if self.max_context is None:
            raise RequestError.about(
                "context", f"missing, and {self.name} does not say its maximum"
            )
        return self.max_context

    @cached_property
    def caches(self) -> tuple[tuple[Layer, int], ...]:
        """The different caches of all layers, and how many of each, in order of appearance."""
        counts: Counter[Layer] = Counter()
        for layer, layers in self.groups:
            for cache in layer.caches:
                counts[cache] += layers
        return tuple(counts.items())

    def caches_of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """The different caches of one class, in order of appearance."""
        return tuple(cache for cache, _ in self.caches if isinstance(cache, kind))

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of the caches of all layers."""
        return frozenset(cache.kind for cache, _ in self.caches)

    @property
    def window(self) -> int | None:
        """The window of the sliding layers, in tokens; None without a window or with several."""
        return self.sliding_windows[0] if len(self.sliding_windows) == 1 else None

    @cached_property
    def source(self) -> int | None:
        """The source's length, in tokens: 0 if not published, None without cross-attention.

        Raises:
            RequestError: the layers' sources differ.
        """
        sources = {source for layer, _ in self.groups for source in layer.sources}
        if len(sources) > 1:
            found = sorted(sources)
            raise RequestError.about(
                "source", f"found {found}", found=found, expected="one for all layers"
            )
        return sources.pop() if sources else None

    @cached_property
    def tensors(self) -> "tuple[Tensor, ...] | None":
        """What the published checkpoint holds; None where no rule is known."""
        from kvcalc.parameters.checkpoint import mtp_tensors, tensors_of

        if self.sizes is None:
            return None
        last = [layer for layer in self.layers if layer.kind.endswith("_attention")][-1:]
        drafting = self.mtp_layers or (*last,) * (self.num_nextn_predict_layers or 0)
        try:
            return (
                *tensors_of(self.layers, self.sizes),
                *mtp_tensors(drafting, self.sizes, len(self.layers)),
            )
        except UnsupportedError:
            return None

    def format_of(self, tensor: "Tensor", place: int | None) -> "Format | None":
        """The format of a tensor of a layer; None where it is in the model's own type.

        Raises:
            UnsupportedError: it is not known of the checkpoint's quantisation.
        """
        if self.quantization is None:
            return None
        return self.quantization.format_of(tensor, place, beside_mlp=self._experts_beside_mlp)

    def formats_of(self, tensor: "Tensor") -> "Mapping[Format | None, Sequence[int | None]]":
        """The places of a tensor by its format there, None the place of one in no layer.

        Raises:
            UnsupportedError: a format is not known of the checkpoint's quantisation.
        """
        if self.quantization is None:
            return {None: tensor.layers or (None,)}
        return self.quantization.formats_of(tensor, beside_mlp=self._experts_beside_mlp)

    @property
    def _experts_beside_mlp(self) -> bool:
        mix = self.sizes.experts if self.sizes else None
        return mix is not None and mix.beside_dense

    def stored_bytes(self, *, mtp: bool = False) -> int | None:
        """Bytes of its checkpoint as published, without MTP layers unless they are asked for.

        None where no rule is known.

        Raises:
            UnsupportedError: how its quantisation stores a tensor is not known.
        """
        from kvcalc.parameters.checkpoint import stored_bytes

        if self.tensors is None:
            return None
        own = [one for one in self.tensors if mtp or max(one.layers, default=0) < len(self.layers)]
        group = self.quantization.group_size if self.quantization else None
        element = dtype(self.dtype).row_bytes(1)
        return stored_bytes(own, self.formats_of, group or 128, element)

    @cached_property
    def counted(self) -> "Parameters | None":
        """The parameters of its tensors, counted; None where no rule is known."""
        from kvcalc.parameters.counts import counted

        tensors = self.tensors
        return None if tensors is None or self.sizes is None else counted(tensors, self.sizes)

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        """The parts of a repr; for the layers, how many there are of each kind."""
        kinds = Counter(layer.kind for layer in self.layers)
        told = ", ".join(f"{layers} {kind}" for kind, layers in kinds.items())
        yield "name", f"{self.name:.50}"
        yield "layers", f"{told:.80}"
        yield "dtype", self.dtype
        yield "max_context", self.max_context

    def _repr_html_(self) -> str:
        from kvcalc.html_table import html_table

        rows = []
        for layer, layers in Counter(self.layers).items():
            shape = ", ".join(f"{name} {value}" for name, value in layer.shape.items())
            rows.append((layers, layer.kind, shape))
        caption = f"{self.name}: {len(self.layers):,} layers, {self.dtype}"
        return html_table(caption, rows, ("layers", "kind", "shape"))

    def with_window(self, window: int) -> Self:
        """Give all sliding layers one window, in tokens.

        Raises:
            RequestError: the model has no sliding layers, or the window is not a size.
        """
        if not self.sliding_windows:
            raise RequestError(no_window(self), field="window")
        return self._with_layers(lambda layer: layer.with_window(window))

    def with_full_attention(self) -> Self:
        """Let every sliding and chunked layer keep the whole context."""
        return self._with_layers(lambda layer: layer.with_full_attention())

    def _with_layers(self, change: Callable[[Layer], Layer]) -> Self:
        replacement = {layer: change(layer) for layer, _ in self.groups}
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        fields["layers"] = tuple(replacement[layer] for layer in self.layers)
        fields["mtp_layers"] = tuple(map(change, self.mtp_layers))
        fields["windows"] = ()
        if fields["layers"] != self.layers:
            fields["hub_id"] = None  # that repository holds the unchanged model
        return type(self)(**fields)


def repeated(pattern: str, layers: Mapping[str, Layer], count: int) -> tuple[Layer, ...]:
    """Repeat a pattern such as "LLLG", and cut it, to `count` layers; letters name the layers.

    Raises:
        RequestError: a letter names no layer, no letter names a layer, or the count is out of
            range.
    """
    if not 1 <= count <= MAX_LAYERS:
        raise RequestError.of("layers", count, f"1 to {MAX_LAYERS:,}")
    if unknown := [letter for letter in pattern if letter not in layers]:
        raise RequestError.about(
            "pattern",
            f"found the letter {quote(unknown[0])}",
            found=unknown[0],
            expected=" or ".join(layers),
        )
    if unused := [letter for letter in layers if letter not in set(pattern)]:
        raise RequestError.about(
            "layers", f"{quote(unused[0])} is not in the pattern {quote(pattern)}"
        )
    return tuple(layers[letter] for letter in islice(cycle(pattern), count))


def no_window(model: Model) -> str:
    """Say why a window cannot be given for a model without sliding layers."""
    return f"window: {model.name} has no sliding layers, so it has no window to set"
