"""A tensor of a published checkpoint: what it is for, its shape, and the layers it stands in."""

from math import prod
from typing import Literal, NamedTuple

Component = Literal[
    "embedding",
    "lm_head",
    "attention",
    "indexer",
    "recurrent",
    "mlp",
    "experts",
    "router",
    "shared_expert",
    "shared_expert_gate",
    "expert_latent_projections",
    "hyper_connections",
    "norm",
    "vision",
    "mtp",
    "buffers",
]
"""Parts of a model that parameters are counted by.

`mtp` is not in the model's own count, and `buffers`, which a file has beside its parameters, are
in none.
"""

Role = Literal[
    "embedding",
    "positions",
    "lm_head",
    "norm",
    "q",
    "k",
    "v",
    "o",
    "q_bias",
    "k_bias",
    "v_bias",
    "o_bias",
    "sinks",
    "head_gate",
    "head_norm",
    "q_norm",
    "k_norm",
    "q_a",
    "q_b",
    "kv_a",
    "kv_b",
    "latent_norm",
    "o_a",
    "o_b",
    "kv",
    "compressor",
    "compressor_ape",
    "index_q",
    "index_k",
    "index_weights",
    "index_norm",
    "index_compressor",
    "index_ape",
    "gate",
    "up",
    "down",
    "up_bias",
    "down_bias",
    "expert_gate_up",
    "expert_up",
    "expert_down",
    "expert_up_bias",
    "expert_down_bias",
    "router",
    "router_bias",
    "router_correction",
    "router_scale",
    "router_table",
    "shared_gate",
    "shared_up",
    "shared_down",
    "shared_expert_gate",
    "latent_down",
    "latent_up",
    "delta_qkv",
    "delta_z",
    "delta_b",
    "delta_a",
    "delta_norm",
    "gate_a",
    "gate_b",
    "ssm_in",
    "ssm_in_bias",
    "ssm_steps",
    "ssm_step",
    "ssm_norm",
    "conv",
    "conv_bias",
    "decay",
    "skip",
    "step_bias",
    "recurrent_out",
    "recurrent_out_bias",
    "hyper_connection",
    "vision_column",
    "vision_column_bias",
    "vision_row",
    "vision_row_bias",
    "vision_whole",
    "mtp_projection",
]
"""What a tensor does: engines divide it over ranks by that alone."""


class Tensor(NamedTuple):
    """Equal tensors of a checkpoint; a linear's shape is outputs by inputs.

    There are `copies` in each of the `layers`, whose places count from 0; without layers the
    tensor stands outside of them, `copies` times.
    """

    role: Role
    component: Component
    shape: tuple[int, ...]
    layers: tuple[int, ...] = ()
    copies: int = 1

    @property
    def times(self) -> int:
        """How often the tensor is there."""
        return self.copies * (len(self.layers) or 1)

    @property
    def elements(self) -> int:
        """Elements of all of them together."""
        return prod(self.shape) * self.times
