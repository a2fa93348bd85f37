"""The states of recurrent layers, and how attention's blocks grow until one holds a state.

vLLM 0.33.0: model_executor/layers/mamba/mamba_utils.py (shapes and element types) and
platforms/interface.py (the alignment of blocks).
"""

from typing import TYPE_CHECKING, Any

from kvcalc.dtypes import dtype
from kvcalc.engines.engine import share_per_rank

if TYPE_CHECKING:
    from kvcalc.layers.recurrent import (
        GatedDeltaNet,
        KimiDeltaAttention,
        Mamba,
        Mamba2,
        NgramEmbedding,
        Recurrent,
        ShortConvolution,
    )

FROM_FILE = (
    "nemotron_h",
    *("qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_moe_text"),
    *("qwen4_exp", "qwen4_exp_text"),
)
"""Model types whose class takes the state's element type from the file."""

FLOAT32_STATES = ("nemotron_h",)
"""Model types whose states are float32 where the file says nothing."""


def _mamba(layer: "Mamba", ranks: int, drafts: int) -> tuple[int, int]:
    inner = share_per_rank(layer.inner, ranks)
    return inner * (layer.kernel - 1), inner * layer.state


def _mamba2(layer: "Mamba2", ranks: int, drafts: int) -> tuple[int, int]:
    # Ranks that do not divide the groups get a copy of a group each.
    groups = layer.groups if layer.groups % ranks == 0 else ranks
    channels = layer.heads * layer.head_dim + 2 * groups * layer.state
    heads = share_per_rank(layer.heads, ranks)
    return (
        share_per_rank(channels, ranks) * (layer.kernel - 1 + drafts),
        heads * layer.head_dim * layer.state,
    )


def _gated_delta_net(layer: "GatedDeltaNet", ranks: int, drafts: int) -> tuple[int, int]:
    heads = share_per_rank(layer.value_heads, ranks)
    return (
        share_per_rank(layer.channels, ranks) * (layer.kernel - 1 + drafts),
        heads * layer.value_dim * layer.key_dim,
    )


def _kimi_delta_attention(layer: "KimiDeltaAttention", ranks: int, drafts: int) -> tuple[int, int]:
    heads = share_per_rank(layer.heads, ranks)
    return 3 * heads * layer.head_dim * (layer.kernel - 1 + drafts), heads * layer.head_dim**2


def _ngram_embedding(layer: "NgramEmbedding", ranks: int, drafts: int) -> tuple[int, int]:
    return layer.channels * (layer.taps - 1 + drafts), 0  # whole on every rank


def _short_convolution(layer: "ShortConvolution", ranks: int, drafts: int) -> tuple[int, int]:
    return share_per_rank(layer.width, ranks) * (layer.kernel - 1), 0


SHAPES: dict[str, Any] = {
    "mamba": _mamba,
    "mamba2": _mamba2,
    "gated_delta_net": _gated_delta_net,
    "kimi_delta_attention": _kimi_delta_attention,
    "short_convolution": _short_convolution,
    "ngram_embedding": _ngram_embedding,
}
"""Elements of the convolution and of the state, on one rank and with draft tokens, by kind."""


def state_bytes(
    layer: "Recurrent",
    *,
    model_dtype: str,
    model_type: str | None,
    ssm_dtype: str,
    ranks: int,
    drafts: int,
) -> int:
    """Bytes of one sequence's state of a layer on one rank.

    Raises:
        KvcalcError: the ranks cannot share it.
    """
    convolution, state = SHAPES[layer.kind](layer, ranks, drafts)
    of = _ssm_dtype(layer, model_dtype, model_type) if ssm_dtype == "auto" else ssm_dtype
    return dtype(model_dtype).row_bytes(convolution) + dtype(of).row_bytes(state)


def _ssm_dtype(layer: "Recurrent", model_dtype: str, model_type: str | None) -> str:
    if layer.kind == "kimi_delta_attention":
        return "float32"
    if layer.state_dtype and (model_type is None or model_type in FROM_FILE):
        return layer.state_dtype
    return "float32" if model_type in FLOAT32_STATES else model_dtype
