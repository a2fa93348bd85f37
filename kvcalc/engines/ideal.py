"""The least that attention itself needs: no pages, no padding, no tokens in flight.

A full layer keeps the whole context, a sliding one its window, a chunked one its chunk (at most
the context each), in the model's element type unless told otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kvcalc.cost import CONTEXT, SEQUENCES, Cost, Group, Step, formula, window_of
from kvcalc.dtypes import Dtype, dtype
from kvcalc.engines.contract import Engine, Settings, heads_per_rank
from kvcalc.formula import Value, minimum
from kvcalc.model import (
    Attention,
    ChunkedAttention,
    FullAttention,
    LatentAttention,
    Layer,
    Model,
    SlidingAttention,
)


def _attention_row(layer: Attention, element: Dtype, ranks: int) -> tuple[int, str]:
    heads = heads_per_rank(layer.kv_heads, ranks)
    per_head = element.row_bytes(layer.head_dim) + element.row_bytes(layer.value_dim)
    sizes = f"({layer.head_dim} + {layer.value_dim})"
    return heads * per_head, f"{heads} KV heads x {sizes} elements of {element.name}"


def _latent_row(layer: LatentAttention, element: Dtype, ranks: int) -> tuple[int, str]:
    row = f"({layer.kv_lora_rank} + {layer.qk_rope_head_dim}) elements of {element.name}"
    return element.row_bytes(layer.row_elements), f"{row}, the same on every rank"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of layer keeps: tokens of one sequence, and bytes of a token on one rank."""

    tokens: Callable[[Model, Any], Value]
    row: Callable[[Any, Dtype, int], tuple[int, str]]


KINDS: dict[type, Kind] = {
    FullAttention: Kind(lambda model, layer: CONTEXT, _attention_row),
    LatentAttention: Kind(lambda model, layer: CONTEXT, _latent_row),
    SlidingAttention: Kind(
        lambda model, layer: minimum(CONTEXT, window_of(model, layer)), _attention_row
    ),
    ChunkedAttention: Kind(lambda model, layer: minimum(CONTEXT, layer.chunk), _attention_row),
}


def cost(model: Model, settings: Settings) -> Cost:
    """Work out the least that attention needs.

    Raises:
        KvcalcError: KV heads that the ranks cannot share.
    """
    element = dtype(settings.kv_cache_dtype or model.dtype)
    ranks = settings.tensor_parallel_size
    order = list(KINDS)
    groups = []
    tokens_by_row: dict[int, Value] = {}
    for layer, layers in sorted(model.groups, key=lambda group: order.index(type(group[0]))):
        tokens = KINDS[type(layer)].tokens(model, layer)
        row_bytes, row = KINDS[type(layer)].row(layer, element, ranks)
        tokens_by_row[row_bytes] = tokens_by_row.get(row_bytes, 0) + layers * tokens
        groups.append(_group(layer, layers, tokens, row_bytes, row, ranks))
    rank: Value = 0
    request: Value = 0
    for row_bytes, tokens in tokens_by_row.items():
        rank += tokens * row_bytes
        request += tokens * (row_bytes * ranks)
    return Cost(
        model=model,
        engine=ENGINE.name,
        kv_cache_dtype=element.name,
        settings=settings.changed(),
        formula=formula(model, request * SEQUENCES),
        per_gpu=formula(model, rank * SEQUENCES),
        per_request=formula(model, request),
        fixed=0,
        groups=tuple(groups),
    )


def _group(layer: Layer, layers: int, tokens: Value, row_bytes: int, row: str, ranks: int) -> Group:
    total = layers * tokens * (row_bytes * ranks) * SEQUENCES
    shared = f" x {ranks} ranks" if ranks > 1 else ""
    return Group(
        kind=layer.kind,
        layers=layers,
        window=layer.window if isinstance(layer, SlidingAttention) else None,
        bytes=total,
        steps=(
            Step("a token of a layer", row, row_bytes, "bytes"),
            Step("tokens a layer keeps", str(tokens), tokens, "tokens"),
            Step("all of them", f"{layers} layers{shared} x sequences", total, "bytes"),
        ),
    )


ENGINE = Engine("ideal", Settings, cost)
