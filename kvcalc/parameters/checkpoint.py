"""The tensors of a published checkpoint, listed from a model's layers and sizes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

from kvcalc.errors import UnsupportedError
from kvcalc.layers.layer import Layer
from kvcalc.parameters import attention, mlp, recurrent
from kvcalc.parameters.parts import Part
from kvcalc.parameters.quantization import LINEAR, Format
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tensor import Tensor

MIXERS: Mapping[str, Callable[[Any, Sizes], Iterator[Part]]] = {
    "full_attention": attention.heads,
    "sliding_attention": attention.heads,
    "chunked_attention": attention.heads,
    "latent_attention": attention.latent,
    "gated_delta_net": recurrent.gated_delta_net,
    "mamba": recurrent.mamba,
    "mamba2": recurrent.mamba2,
    "kimi_delta_attention": recurrent.kimi_delta,
    "lightning_attention": recurrent.lightning,
    "short_convolution": recurrent.short_convolution,
    "compressed_attention": attention.compressed,
    "no_cache": lambda layer, sizes: iter(()),
}
"""The rules by kind of layer."""


def stored_bytes(
    tensors: Iterable[Tensor],
    formats_of: Callable[[Tensor], Mapping[Format | None, Sequence[int | None]]],
    group: int,
    element: int,
) -> int:
    """Bytes of a checkpoint's tensors, each in its format.

    `formats_of` gives a tensor's places by their format; `group` elements share a scale, and an
    `element` of a plain tensor takes that many bytes.

    Raises:
        UnsupportedError: how a tensor is stored is not known.
    """
    total = 0
    for tensor in tensors:
        *outer, rows, columns = (1, 1, *tensor.shape)
        for kind, places in formats_of(tensor).items():
            one = rows * columns * (4 if tensor.component == "buffers" else element)
            if kind is not None:
                one = LINEAR[kind](rows, columns, group)
            total += tensor.copies * len(places) * prod(outer) * one
    return total


def tensors_of(layers: Sequence[Layer], sizes: Sizes) -> tuple[Tensor, ...]:
    """List the tensors of a checkpoint: those of the layers, by role and shape, and the ends.

    Raises:
        UnsupportedError: the weights of a kind of layer are not known.
    """
    hidden, vocabulary = sizes.hidden_size, sizes.vocab_size
    places: dict[Part, list[int]] = {}
    made: dict[tuple[Layer, bool, bool], tuple[Part, ...]] = {}
    mixed, dense = _places(len(layers), sizes)
    hashed = sizes.experts.hash_layers if sizes.experts else 0
    for place, layer in enumerate(layers):
        alike = layer, place in mixed, place in dense
        if alike not in made:
            made[alike] = tuple(_layer(layer, sizes, *alike[1:]))
        for part in made[alike]:
            if part.role != "router_correction" or place >= hashed:
                places.setdefault(part, []).append(place)
    inner = [Tensor(*part[:3], tuple(where), part.copies) for part, where in places.items()]
    return (
        *_tower(sizes),
        Tensor("embedding", "embedding", (vocabulary, hidden)),
        *_after_the_embedding(sizes),
        *inner,
        *_ends(sizes),
    )


def _tower(sizes: Sizes) -> Iterable[Tensor]:
    if sizes.tower is None:
        return ()
    from kvcalc.parameters.tower import tower_tensors

    return tower_tensors(sizes.tower, sizes.hidden_size)


def mtp_tensors(layers: Sequence[Layer], sizes: Sizes, start: int) -> tuple[Tensor, ...]:
    """List the tensors of layers that draft (MTP), the first at the place `start`.

    Each has a projection of the token's row and the hidden state, and three norms of its own; the
    embedding and the head are the model's.

    Raises:
        UnsupportedError: as `tensors_of`.
    """
    hidden, kind = sizes.hidden_size, sizes.mtp_mlp
    if kind is None:
        return ()
    own = Part("mtp_projection", "mtp", (hidden, 2 * hidden)), Part("norm", "norm", (hidden,), 3)
    return tuple(
        Tensor(
            part.role,
            "buffers" if part.component == "buffers" else "mtp",
            part.shape,
            (place,),
            part.copies,
        )
        for place, layer in enumerate(layers, start)
        for part in (*own, *_layer(layer, sizes, kind == "experts", kind == "dense"))
    )


def _places(layers: int, sizes: Sizes) -> tuple[frozenset[int], frozenset[int]]:
    """The places with a mixture of experts, and those with a dense MLP."""
    everywhere, mix = frozenset(range(layers)), sizes.experts
    none: frozenset[int] = frozenset()
    beside = mix is None or mix.beside_dense
    dense = (everywhere if beside else none) if sizes.dense_layers is None else sizes.dense_layers
    if mix is None or mix.layers is not None:
        return frozenset(mix.layers or ()) if mix else none, frozenset(dense)
    return everywhere if beside else everywhere.difference(dense), frozenset(dense)


def _layer(layer: Layer, sizes: Sizes, mixed: bool, dense: bool) -> Iterator[Part]:
    for cache in layer.caches:
        if cache.kind not in MIXERS:
            raise UnsupportedError.of(f"{cache.kind} layers", "what weights they have is not known")
        yield from MIXERS[cache.kind](cache, sizes)
    extra = sizes.experts.norms if mixed and sizes.experts else 0
    norms = (sizes.layer_norms + extra) * (1 + sizes.norm_bias)
    if norms:
        yield Part("norm", "norm", (sizes.hidden_size,), norms)
    if sizes.hc_mult:
        yield from _hyper_connections(sizes.hc_mult, sizes.hidden_size)
    if dense and sizes.intermediate_size is not None:
        yield from mlp.dense(sizes, sizes.intermediate_size)
    if mixed and sizes.experts is not None:
        yield from mlp.experts(sizes.experts, sizes.hidden_size)


def _hyper_connections(streams: int, hidden: int) -> Iterator[Part]:
    """What mixes the streams of a layer's rows, before attention and before the MLP."""
    mixes = (2 + streams) * streams
    yield Part("hyper_connection", "hyper_connections", (mixes, streams * hidden), 2)
    yield Part("hyper_connection", "hyper_connections", (mixes,), 2)
    yield Part("hyper_connection", "hyper_connections", (3,), 2)


def _after_the_embedding(sizes: Sizes) -> Iterator[Tensor]:
    if sizes.positions is not None:
        yield Tensor("positions", "embedding", (sizes.positions, sizes.hidden_size))
    if sizes.embedding_norm:
        yield Tensor("norm", "embedding", (sizes.hidden_size,), copies=1 + sizes.norm_bias)


def _ends(sizes: Sizes) -> Iterator[Tensor]:
    """What stands after the layers."""
    hidden, streams = sizes.hidden_size, sizes.hc_mult
    if sizes.layer_norms:
        yield Tensor("norm", "norm", (hidden,), copies=1 + sizes.norm_bias)
    if streams:
        for shape in ((streams, streams * hidden), (streams,), (1,)):
            yield Tensor("hyper_connection", "hyper_connections", shape)
    if not sizes.tie_word_embeddings:
        yield Tensor("lm_head", "lm_head", (sizes.vocab_size, hidden))
    if sizes.lm_head_bias:
        yield Tensor("lm_head", "lm_head", (sizes.vocab_size,))
    if sizes.experts and sizes.experts.hash_layers:
        table = (sizes.vocab_size, sizes.experts.num_experts_per_tok)
        yield Tensor("router_table", "buffers", table, tuple(range(sizes.experts.hash_layers)))
