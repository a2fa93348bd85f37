"""How engines divide a tensor over the ranks of a stage, by what the tensor does.

vLLM 0.33.0, model_executor/layers/linear.py, vocab_parallel_embedding.py and fused_moe; each rule
is measured (tests/oracles/vllm_weights.json). SGLang 0.5.23 has the same layers (srt/layers).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import Attention
from kvcalc.layers.layer import Layer
from kvcalc.parameters.tensor import Role, Tensor

VOCABULARY_BLOCK = 64
"""Rows that a vocabulary is padded to (DEFAULT_VOCAB_PADDING_SIZE)."""


class Ranks(NamedTuple):
    """How many ranks share a stage: its tensors, and its experts.

    With `whole_experts` each has some of the experts, else a part of each.
    """

    tensor: int
    experts: int
    whole_experts: bool


Shape = tuple[int, ...]


def divided(size: int, ranks: int, what: str) -> int:
    """Divide a size over ranks evenly.

    Raises:
        UnsupportedError: the ranks do not divide it.
    """
    if size % ranks:
        raise UnsupportedError.of(
            "tensor_parallel_size", f"found {ranks}, expected a divisor of the {size:,} {what}"
        )
    return size // ranks


def kv_heads_of(layer: Layer | None) -> int:
    """The KV heads of a layer; 1 where it has none."""
    caches = layer.caches if layer else ()
    return next((cache.kv_heads for cache in caches if isinstance(cache, Attention)), 1)


def _whole(tensor: Tensor, ranks: Ranks, heads: int) -> Shape:
    return tensor.shape


def _rows(tensor: Tensor, ranks: Ranks, heads: int) -> Shape:
    return (divided(tensor.shape[0], ranks.tensor, f"rows of {tensor.role}"), *tensor.shape[1:])


def _columns(tensor: Tensor, ranks: Ranks, heads: int) -> Shape:
    rows, columns = tensor.shape
    return rows, divided(columns, ranks.tensor, f"columns of {tensor.role}")


def _kv_heads(tensor: Tensor, ranks: Ranks, heads: int) -> Shape:
    """A KV head at least, which ranks past the heads have copies of."""
    return (tensor.shape[0] // heads * max(1, heads // ranks.tensor), *tensor.shape[1:])


def _vocabulary(tensor: Tensor, ranks: Ranks, heads: int) -> Shape:
    padded = -(-tensor.shape[0] // VOCABULARY_BLOCK) * VOCABULARY_BLOCK
    return (divided(padded, ranks.tensor, "rows of the vocabulary"), *tensor.shape[1:])


def _experts(place: int | None) -> Callable[[Tensor, Ranks, int], Shape]:
    """Some of the experts whole, or of each a part of the dimension that is its width."""

    def experts(tensor: Tensor, ranks: Ranks, heads: int) -> Shape:
        count, *rest = tensor.shape
        if ranks.whole_experts:
            return (-(-count // ranks.experts), *rest)
        if place is not None:
            rest[place] = divided(rest[place], ranks.experts, "columns of an expert")
        return (count, *rest)

    return experts


SHARDS: Mapping[Role, Callable[[Tensor, Ranks, int], Shape]] = {
    **dict.fromkeys(("embedding", "lm_head"), _vocabulary),
    **dict.fromkeys(("q", "q_bias", "q_norm", "sinks", "head_gate", "q_b", "kv_b"), _rows),
    **dict.fromkeys(("k", "v", "k_bias", "v_bias", "k_norm"), _kv_heads),
    **dict.fromkeys(
        ("o", "down", "shared_down", "recurrent_out", "o_b", "vision_row", "ssm_steps"), _columns
    ),
    **dict.fromkeys(("gate", "up", "up_bias", "shared_gate", "shared_up", "o_a"), _rows),
    **dict.fromkeys(("expert_gate_up", "expert_up", "expert_up_bias"), _experts(0)),
    "expert_down": _experts(1),
    "expert_down_bias": _experts(None),
    **dict.fromkeys(("delta_qkv", "delta_z", "delta_b", "delta_a", "gate_b"), _rows),
    **dict.fromkeys(("ssm_in", "ssm_in_bias", "ssm_step", "ssm_norm", "conv", "conv_bias"), _rows),
    **dict.fromkeys(("decay", "skip", "step_bias"), _rows),
    **dict.fromkeys(("vision_column", "vision_column_bias"), _rows),
    **dict.fromkeys(("norm", "head_norm", "latent_norm", "index_norm", "delta_norm"), _whole),
    **dict.fromkeys(("o_bias", "down_bias", "q_a", "kv_a", "kv", "gate_a"), _whole),
    **dict.fromkeys(("index_q", "index_k", "index_weights"), _whole),
    **dict.fromkeys(("index_compressor", "index_ape", "compressor", "compressor_ape"), _whole),
    **dict.fromkeys(("router", "router_bias", "router_correction", "router_scale"), _whole),
    **dict.fromkeys(("router_table", "shared_expert_gate", "latent_down", "latent_up"), _whole),
    **dict.fromkeys(("hyper_connection", "positions", "recurrent_out_bias"), _whole),
    "mtp_projection": _rows,
    **dict.fromkeys(("vision_row_bias", "vision_whole"), _whole),
}
"""The rule of each role."""


def on_rank(tensor: Tensor, ranks: Ranks, heads: int) -> Shape:
    """The shape of a tensor's part on a rank; `heads` are the KV heads of its layer.

    Raises:
        UnsupportedError: the ranks do not divide it.
    """
    return SHARDS[tensor.role](tensor, ranks, heads)
