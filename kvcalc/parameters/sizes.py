"""The published sizes of a model that its weights follow from, beside those of its layers' caches.

The names are those of config.json, in the spelling that most families use.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from kvcalc.frozen import Frozen, checked
from kvcalc.layers.layer import Size

if TYPE_CHECKING:
    from kvcalc.parameters.tower_sizes import Tower
else:
    Tower = checked("kvcalc.parameters.tower_sizes", "Tower")

Places = Annotated[tuple[Annotated[int, Field(strict=True, ge=0)], ...], Field(max_length=10**5)]
"""Places of layers, counted from 0."""


class Experts(Frozen):
    """A mixture of experts: how many there are, how many a token takes, and their width.

    `layers` are the places that have one; None is each without a dense MLP, or each at all where
    experts stand `beside_dense` ones (Gemma 4), whose `norms` are more than a layer has without.
    In the first `hash_layers` a table tells each token's experts (DeepSeek V4).
    `shared_expert_intermediate_size` is the width of all shared experts together. With a
    `moe_latent_size` experts read and write rows of that width, to which a layer projects.
    `correction` is a value that the router adds to each expert's score, and that a class keeps as
    a buffer.
    """

    num_experts: Size
    num_experts_per_tok: Size
    moe_intermediate_size: Size
    layers: Places | None = None
    beside_dense: bool = False
    norms: Annotated[int, Field(ge=0, le=8)] = 0
    gated: bool = True
    bias: bool = False
    router_bias: bool = False
    router_scales: bool = False
    correction: bool = False
    hash_layers: Annotated[int, Field(strict=True, ge=0, le=10**5)] = 0
    shared_expert_intermediate_size: Size | None = None
    shared_expert_gate: bool = False
    moe_latent_size: Size | None = None


class Sizes(Frozen):
    """The widths and the traits of a model's tensors, in elements.

    `intermediate_size` is the width of a dense MLP, which stands at `dense_layers`; None is each
    layer of a model without experts. `attention_bias` names the projections with a bias;
    `qk_norm` normalises queries and keys by the head or by the whole row; `output_gate` scales
    attention's result by element or by head; each may have biases. `layer_norms` counts the norms
    of a layer's width.
    `activation_scalars` counts those that a dense MLP's activation learns (xIELU).
    `mtp_mlp` is the MLP of a layer that drafts tokens (MTP); None where such layers are not known.
    `positions` are the rows of a table of learned positions, and an `embedding_norm` follows the
    embedding. `step_rank` is the rank by which a state's steps are told, `state_norms` normalise
    them, and `ssm_bias` is of the projections around the state.
    `ropes` are the tables of rotary positions, each distinct one: how many positions, and how many
    elements of a head turn.
    """

    hidden_size: Size
    vocab_size: Size
    tie_word_embeddings: bool = False
    lm_head_bias: bool = False
    layer_norms: Annotated[int, Field(ge=0, le=8)] = 2
    norm_bias: bool = False
    intermediate_size: Size | None = None
    dense_layers: Places | None = None
    gated_mlp: bool = True
    mlp_bias: bool = False
    activation_scalars: Annotated[int, Field(ge=0, le=8)] = 0
    attention_bias: Literal["", "qkv", "qkvo", "o"] = ""
    qk_norm: Literal["head", "row"] | None = None
    qk_norm_bias: bool = False
    output_gate: Literal["element", "head"] | None = None
    output_gate_bias: bool = False
    sinks: Literal["all", "sliding"] | None = None
    values_are_keys: bool = False
    q_lora_rank: Size | None = None
    qk_nope_head_dim: Size | None = None
    v_head_dim: Size | None = None
    index_n_heads: Size | None = None
    index_topk: Size | None = None
    ropes: tuple[tuple[Size, Size], ...] = ()
    positions: Size | None = None
    embedding_norm: bool = False
    step_rank: Size | None = None
    state_norms: bool = False
    ssm_bias: bool = False
    conv_bias: bool = False
    ssm_norm: bool = True
    o_groups: Size | None = None
    o_lora_rank: Size | None = None
    hc_mult: Size | None = None
    mtp_mlp: Literal["dense", "experts"] | None = None
    experts: Experts | None = None
    tower: Tower | None = None


def known_sizes(table: Mapping[str, Any]) -> Sizes:
    """Make the sizes of a table that was checked before, as one of kvcalc's own presets was."""
    facts = tuples(table)
    if "experts" in facts:
        facts["experts"] = Experts.model_construct(**tuples(facts["experts"]))
    if "tower" in facts:
        from kvcalc.parameters.tower_sizes import Tower

        facts["tower"] = Tower.model_construct(**tuples(facts["tower"]))
    return Sizes.model_construct(**facts)


def tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a table with tuples in place of its lists."""
    return {name: _tuple(value) for name, value in table.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value
