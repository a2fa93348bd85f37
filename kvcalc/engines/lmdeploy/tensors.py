"""The tensors that a layer has in a block, and a sequence in its state.

Sizes are bytes on one rank; each tensor takes a multiple of 256 by itself (0.18.0,
pytorch/engine/cache_engine/schema.py, CacheDesc).
"""

from collections.abc import Iterable
from typing import NamedTuple

from kvcalc.engines.engine import heads_per_rank
from kvcalc.engines.lmdeploy.builders import SPARSE
from kvcalc.engines.lmdeploy.settings import CacheFormat
from kvcalc.engines.shards import divided
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, ceil
from kvcalc.layers.attention import Attention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import GatedDeltaNet
from kvcalc.model import Model

ALIGNMENT = 256
FP8_DS_MLA_ROW = 512 + 4 * 4 + 2 * 64
"""Bytes of a latent row: fp8 latent, its 4 scales, rotary key (cache_engine.py)."""
V4_ROW = 448 + 2 * 64 + 7 + 1
"""Bytes of a row: fp8, rotary part, 7 scales, padding (configurations/deepseek_v4.py)."""
SCALE = 4
"""Bytes of the scale behind an indexer's fp8 key (consts.py)."""
FLOAT32 = 4


class Tensor(NamedTuple):
    """A tensor: what it is, how its bytes come about, and those bytes."""

    what: str
    working: str
    bytes: Value


def aligned(tensors: Iterable[Tensor]) -> Value:
    """Bytes of tensors, each rounded up by itself."""
    total: Value = 0
    for tensor in tensors:
        total += ceil(tensor.bytes, ALIGNMENT)
    return total


def in_block(
    model: Model, layer: Layer, tokens: int, form: CacheFormat, ranks: int
) -> list[Tensor]:
    """The tensors of one layer in a block of `tokens`.

    Raises:
        KvcalcError: sizes or a policy that LMDeploy cannot store.
    """
    if isinstance(layer, Attention):
        _require_query_heads(layer.query_heads, ranks)
        heads = heads_per_rank(layer.kv_heads, ranks)
        return _standard(tokens, heads, layer.head_dim, layer.value_dim, form)
    if isinstance(layer, LatentAttention):
        _require_query_heads(layer.query_heads, ranks)
        return _latent(model, layer, tokens, form)
    if isinstance(layer, CompressedAttention):
        _require_query_heads(layer.query_heads, ranks)
        return _compressed(layer, tokens, form)
    return []


def _standard(tokens: int, heads: int, key: int, value: int, form: CacheFormat) -> list[Tensor]:
    """Keys and values, and the scales of a policy beside each."""
    policy = form.policy
    tensors = []
    for what, size, bits in (("keys", key, policy.key_bits), ("values", value, policy.value_bits)):
        if size * bits % 8:
            raise UnsupportedError.of(
                "quant_policy", f"{policy.name} cannot pack a head of {size} elements"
            )
        working = f"{tokens} tokens x {heads} KV heads x {size} elements of {bits} bits"
        tensors.append(Tensor(what, working, tokens * heads * (size * bits // 8)))
    for what, scales in (("keys", policy.key_scales), ("values", policy.value_scales)):
        if scales:
            working = f"{tokens} tokens x {heads} KV heads x {scales} of {form.element.name}"
            size = tokens * heads * form.element.row_bytes(scales)
            tensors.append(Tensor(f"scales of the {what}", working, size))
    return tensors


def _latent(model: Model, layer: LatentAttention, tokens: int, form: CacheFormat) -> list[Tensor]:
    """One head, whole on each rank; where there is an indexer, its key beside it."""
    if layer.window is not None or (layer.sparse and model.model_type not in SPARSE):
        raise UnsupportedError(
            "lmdeploy does not support latent_attention layers with a window, or with an indexer "
            "unless the model type says how it is stored",
            what="latent_attention layers",
        )
    if model.model_type not in SPARSE:
        return _standard(tokens, 1, layer.row_elements, 0, form)
    if form.number not in (0, 16):
        raise UnsupportedError.of(
            "quant_policy", f"found {form.number}, expected 0 or 16 with sparse latent attention"
        )
    if model.model_type in form.packed or form.number:
        working = f"{tokens} tokens x {FP8_DS_MLA_ROW} bytes (fp8_ds_mla)"
        rows = [Tensor("latent rows", working, tokens * FP8_DS_MLA_ROW)]
    else:
        rows = _standard(tokens, 1, layer.row_elements, 0, form)
    return rows if layer.index_head_dim is None else [*rows, _index(tokens, layer.index_head_dim)]


def _compressed(layer: CompressedAttention, tokens: int, form: CacheFormat) -> list[Tensor]:
    """The compressed rows of a block; the near ones are in the state."""
    if form.number:
        raise UnsupportedError.of(
            "quant_policy", f"found {form.number}, expected 0 where rows are packed already"
        )
    if layer.ratio not in (0, 4, 128) or layer.head_dim != 512:
        raise UnsupportedError(
            f"lmdeploy does not support compressed_attention layers of ratio {layer.ratio} and "
            f"head dim {layer.head_dim}, only of 0, 4 or 128 and 512",
            what="compressed_attention layers",
        )
    if not layer.ratio:
        return []
    rows = tokens // layer.ratio
    packed = Tensor("compressed rows", f"{rows} rows x {V4_ROW} bytes", rows * V4_ROW)
    return (
        [packed] if layer.index_head_dim is None else [packed, _index(rows, layer.index_head_dim)]
    )


def _index(rows: int, size: int) -> Tensor:
    working = f"{rows} rows x ({size} elements of fp8 + {SCALE})"
    return Tensor("an indexer's keys", working, rows * (size + SCALE))


def in_state(model: Model, window: Value, ranks: int, size: int) -> list[Tensor]:
    """The tensors of one sequence's state, each over all layers that have it.

    An element of a recurrent state takes `size` bytes.

    Raises:
        UnsupportedError: states of different shapes, or heads that the ranks cannot share.
    """
    delta = [(layer, n) for layer, n in model.groups if isinstance(layer, GatedDeltaNet)]
    if len(delta) > 1:
        raise UnsupportedError(
            "lmdeploy does not support gated_delta_net layers of several shapes",
            what="gated_delta_net layers of several shapes",
        )
    tensors = [tensor for layer, n in delta for tensor in _delta_net(layer, n, ranks, size)]
    near = [(layer, n) for layer, n in model.groups if isinstance(layer, CompressedAttention)]
    if near:
        layers = sum(n for _, n in near)
        working = f"{layers} layers x {window} tokens x {V4_ROW} bytes"
        tensors.append(Tensor("rows of the window", working, layers * window * V4_ROW))
    for layer, n in near:
        tensors += _scratch(layer, n)
    return tensors


def _delta_net(layer: GatedDeltaNet, layers: int, ranks: int, size: int) -> list[Tensor]:
    """All the convolution's columns, in 2 bytes, and the states (configurations/qwen3_5.py)."""
    for heads in (layer.key_heads, layer.value_heads):
        divided(heads, ranks, "heads of gated_delta_net layers")
    columns = layer.channels // ranks * layer.kernel
    states = layer.state_elements // ranks
    return [
        Tensor(what, f"{layers} layers x {count} elements of {each} bytes", layers * count * each)
        for what, count, each in (("convolutions", columns, 2), ("states", states, size))
    ]


def _scratch(layer: CompressedAttention, layers: int) -> list[Tensor]:
    """What waits to be compressed, in float32 (configurations/deepseek_v4.py)."""
    if not layer.ratio:
        return []
    # Twice the tokens of a row; a rate of 4 overlaps with the row before, and has two parts.
    rows, parts = (16, 2) if layer.ratio == 4 else (256, 1)
    sizes = [("rows to compress", layer.head_dim)]
    if layer.index_head_dim is not None:
        sizes.append(("an indexer's rows to compress", layer.index_head_dim))
    return [
        Tensor(
            what,
            f"{layers} layers x {rows} x {parts * size} elements of float32",
            layers * rows * parts * size * FLOAT32,
        )
        for what, size in sizes
    ]


def _require_query_heads(heads: int | None, ranks: int) -> None:
    if heads is not None:
        divided(heads, ranks, "query heads on lmdeploy")
