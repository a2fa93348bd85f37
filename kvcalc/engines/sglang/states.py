"""Recurrent states: what a slot takes, and how many slots a memory gets.

Source: SGLang 0.5.23, srt/configs/mamba_utils.py (shapes), srt/mem_cache/memory_pool.py (MambaPool)
and srt/mem_cache/kv_cache_configurator.py (_handle_max_mamba_cache).
"""

from typing import NamedTuple

from kvcalc.dtypes import dtype
from kvcalc.engines.sglang.architectures import RECURRENT
from kvcalc.engines.sglang.buffers import REQUEST, SLOT, BufferBytes
from kvcalc.engines.sglang.resolved import Resolved
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.errors import TooLittleMemoryError, UnsupportedError
from kvcalc.layers.recurrent import (
    GatedDeltaNet,
    KimiDeltaAttention,
    LightningAttention,
    Mamba,
    Mamba2,
    Recurrent,
    ShortConvolution,
)
from kvcalc.model import Model

CONV_BYTES = 2
"""Bytes of an element of a convolution: bfloat16 (SGLANG_MAMBA_CONV_DTYPE)."""


class Shape(NamedTuple):
    """A layer's state: channels and heads that ranks share, elements per head, columns."""

    channels: int
    heads: int
    head_elements: int
    columns: int


def _shape(layer: Recurrent, ranks: int) -> Shape:
    columns = max(0, layer.taps - 1)
    match layer:
        case Mamba2():
            inner = layer.heads * layer.head_dim
            channels = inner + 2 * _groups(layer.groups, ranks) * layer.state
            return Shape(channels, layer.heads, layer.head_dim * layer.state, columns)
        case GatedDeltaNet():
            inner = layer.value_heads * layer.value_dim
            channels = inner + 2 * _groups(layer.key_heads, ranks) * layer.key_dim
            return Shape(channels, layer.value_heads, layer.value_dim * layer.key_dim, columns)
        case KimiDeltaAttention():
            return Shape(layer.channels, layer.heads, layer.head_dim**2, columns)
        case LightningAttention():
            return Shape(0, layer.heads, layer.head_dim**2, 0)
        case Mamba():
            return Shape(layer.inner, layer.inner, layer.state, columns)
        case ShortConvolution():
            return Shape(layer.width, 0, 0, columns)
    raise UnsupportedError(
        f"sglang does not support {layer.kind} layers", what=f"{layer.kind} layers"
    )


def _groups(groups: int, ranks: int) -> int:
    """Groups of B and C, or of keys: where ranks do not divide them, one per rank."""
    return groups if groups % ranks == 0 else ranks


def state_buffers(
    layer: Recurrent, model: Model, settings: SglangSettings, resolved: Resolved
) -> list[BufferBytes]:
    """The buffers of a slot, and of a running request while its drafts are verified.

    Raises:
        UnsupportedError: ranks that cannot share it.
    """
    ranks = resolved.ranks
    shape = _shape(layer, ranks)
    for name, amount in (("channels", shape.channels), ("heads", shape.heads)):
        if amount % ranks:
            raise UnsupportedError.of(
                "tensor_parallel_size",
                f"found {ranks} ranks for a state, expected a divisor of its {amount} {name}",
            )
    element = dtype(_state_dtype(layer, model, settings))
    channels, heads = shape.channels // ranks, shape.heads // ranks
    conv = channels * shape.columns * CONV_BYTES
    temporal = element.row_bytes(heads * shape.head_elements)
    slot = [
        BufferBytes(
            SLOT, "mamba.conv", f"{channels} channels x {shape.columns} of bfloat16", conv, conv
        ),
        BufferBytes(
            SLOT,
            "mamba.temporal",
            f"{heads} heads x {shape.head_elements} of {element.name}",
            temporal,
            temporal,
        ),
    ]
    drafted = resolved.drafts.tokens
    if drafted is None:
        return slot
    # Where consecutive windows may overlap, they are stored once.
    dense = isinstance(layer, KimiDeltaAttention) or resolved.drafts.topk > 1
    columns = drafted * shape.columns if dense else drafted + shape.columns - 1
    between = channels * columns * CONV_BYTES if shape.columns else 0
    return [
        *slot,
        BufferBytes(
            REQUEST,
            "mamba.intermediate_ssm",
            f"{drafted} drafted states",
            drafted * temporal,
            drafted * temporal,
        ),
        BufferBytes(
            REQUEST,
            "mamba.intermediate_conv",
            f"{channels} channels x {columns} of bfloat16",
            between,
            between,
        ),
    ]


def _state_dtype(layer: Recurrent, model: Model, settings: SglangSettings) -> str:
    if settings.mamba_ssm_dtype is not None:
        return settings.mamba_ssm_dtype
    row = RECURRENT.get(model.model_type or "")
    return layer.state_dtype or "float32" if row is None or row.own_dtype else "float32"


class Slots(NamedTuple):
    """Slots of state that a memory gets, and the bytes left for the pool."""

    slots: int
    left: int


def slots(memory: int, slot: int, settings: SglangSettings, resolved: Resolved) -> Slots:
    """Divide `memory` bytes between slots of `slot` bytes and the rest, as SGLang does.

    SGLang counts in float GiB; so it is done here, where a share is taken.

    Raises:
        TooLittleMemoryError: no room for a slot.
    """
    assert resolved.strategy is not None
    drafted = resolved.drafts.tokens
    ratio = resolved.strategy.slots_a_request
    requests = resolved.requests_a_group
    left = memory
    if settings.max_mamba_cache_size is not None:
        count = settings.max_mamba_cache_size // resolved.groups
    elif settings.disable_radix_cache and requests is not None:
        count = requests
    else:
        share = settings.mamba_full_memory_ratio
        for_states = memory / 2**30 * share / (1 + share) * 2**30
        if drafted is None:
            count = int((for_states - slot) // slot)
        else:
            count = int((for_states - slot * (1 + drafted)) // (slot * (1 + drafted / ratio)))
    if drafted is not None and requests is not None:
        left -= slot * (min(requests, count // ratio) + 1) * drafted
    if count < 1:
        raise TooLittleMemoryError(
            f"memory: found {memory:,} bytes, too few for one slot of recurrent state "
            f"({slot:,} bytes) on sglang"
        )
    left -= (count + 1) * slot
    if left <= 0:
        raise TooLittleMemoryError(
            f"memory: found {memory:,} bytes, and {count:,} slots of recurrent state of "
            f"{slot:,} bytes leave nothing for the pool; lower max_mamba_cache_size or "
            "max_running_requests"
        )
    return Slots(count, left)
