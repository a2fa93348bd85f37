"""From a model's layers and sizes to the tensors of its published checkpoint.

`sizes` is what is published, `tensor` what follows; `attention`, `recurrent` and `mlp` are the
way, one rule for each kind of layer. What an engine makes of a tensor is the engine's business.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kvcalc.errors import UnsupportedError
from kvcalc.layers.layer import Layer
from kvcalc.parameters import attention, mlp, recurrent
from kvcalc.parameters.parts import Part
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tensor import Tensor

MIXERS: Mapping[str, Callable[[Any, Sizes], Iterator[Part]]] = {
    "full_attention": attention.heads,
    "sliding_attention": attention.heads,
    "chunked_attention": attention.heads,
    "latent_attention": attention.latent,
    "gated_delta_net": recurrent.gated_delta_net,
    "mamba2": recurrent.mamba2,
    "no_cache": lambda layer, sizes: iter(()),
}
"""The rules by kind of layer."""


def tensors_of(layers: Sequence[Layer], sizes: Sizes) -> tuple[Tensor, ...]:
    """List the tensors of a checkpoint: those of the layers, by role and shape, and the ends.

    Raises:
        UnsupportedError: the weights of a kind of layer are not known.
    """
    hidden, vocabulary = sizes.hidden_size, sizes.vocab_size
    places: dict[Part, list[int]] = {}
    made: dict[tuple[Layer, bool, bool], tuple[Part, ...]] = {}
    mixed, dense = _places(len(layers), sizes)
    for place, layer in enumerate(layers):
        alike = layer, place in mixed, place in dense
        if alike not in made:
            made[alike] = tuple(_layer(layer, sizes, *alike[1:]))
        for part in made[alike]:
            places.setdefault(part, []).append(place)
    inner = [Tensor(*part[:3], tuple(where), part.copies) for part, where in places.items()]
    return (
        Tensor("embedding", "embedding", (vocabulary, hidden)),
        *inner,
        *_final_norm(sizes),
        *(
            ()
            if sizes.tie_word_embeddings
            else (Tensor("lm_head", "lm_head", (vocabulary, hidden)),)
        ),
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
    yield Part("norm", "norm", (sizes.hidden_size,), sizes.layer_norms * (1 + sizes.norm_bias))
    if dense and sizes.intermediate_size is not None:
        yield from mlp.dense(sizes, sizes.intermediate_size)
    if mixed and sizes.experts is not None:
        yield from mlp.experts(sizes.experts, sizes.hidden_size)


def _final_norm(sizes: Sizes) -> Iterator[Tensor]:
    yield Tensor("norm", "norm", (sizes.hidden_size,), copies=1 + sizes.norm_bias)
