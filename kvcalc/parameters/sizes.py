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
    """A mixture of experts: how many there are, how many a token takes, and their width."""

    num_experts: Size
    num_experts_per_tok: Size
    moe_intermediate_size: Size

    layers: Places | None = None
    """The places that have one; None is each without a dense MLP, or each with `beside_dense`."""

    beside_dense: bool = False
    """Whether experts stand beside dense MLPs (Gemma 4)."""

    norms: Annotated[int, Field(ge=0, le=8)] = 0
    """Norms that a layer has more for its experts."""

    gated: bool = True
    bias: bool = False
    router_bias: bool = False

    router_scales: bool = False
    """Whether the router scales its rows, and each expert (Gemma 4)."""

    correction: bool = False
    """Whether the router adds a value to each expert's score, which a class keeps as a buffer."""

    hash_layers: Annotated[int, Field(strict=True, ge=0, le=10**5)] = 0
    """The first layers, in which a table tells each token's experts (DeepSeek V4)."""

    shared_expert_intermediate_size: Size | None = None
    """The width of all shared experts together."""

    shared_expert_gate: bool = False

    moe_latent_size: Size | None = None
    """The width of the rows that experts read and write, to which a layer projects."""


class Sizes(Frozen):
    """The widths and the traits of a model's tensors, in elements."""

    hidden_size: Size
    vocab_size: Size
    tie_word_embeddings: bool = False
    lm_head_bias: bool = False

    layer_norms: Annotated[int, Field(ge=0, le=8)] = 2
    """Norms of a layer, each of its width."""

    norm_bias: bool = False

    intermediate_size: Size | None = None
    """The width of a dense MLP."""

    dense_layers: Places | None = None
    """The places of dense MLPs; None is each layer of a model without experts."""

    gated_mlp: bool = True
    mlp_bias: bool = False

    activation_scalars: Annotated[int, Field(ge=0, le=8)] = 0
    """Scalars that a dense MLP's activation learns (xIELU)."""

    attention_bias: Literal["", "qkv", "qkvo", "o"] = ""
    """The projections that have a bias."""

    qk_norm: Literal["head", "row"] | None = None
    """Whether queries and keys are normalised by the head or by the whole row."""

    qk_norm_bias: bool = False

    output_gate: Literal["element", "head"] | None = None
    """Whether attention's result is scaled by element or by head."""

    output_gate_bias: bool = False

    sinks: Literal["all", "sliding"] | None = None
    """The layers of attention that have sinks."""

    values_are_keys: bool = False
    """Whether full layers have no projection of values, which are the keys (Gemma 4)."""

    q_lora_rank: Size | None = None
    qk_nope_head_dim: Size | None = None
    v_head_dim: Size | None = None
    index_n_heads: Size | None = None
    index_topk: Size | None = None

    ropes: tuple[tuple[Size, Size], ...] = ()
    """The tables of rotary positions, each distinct one: its positions, and the elements of a head
    that turn."""

    positions: Size | None = None
    """Rows of a table of learned positions."""

    embedding_norm: bool = False
    """Whether a norm follows the embedding."""

    step_rank: Size | None = None
    """The rank of the projection that gives a state's steps."""

    state_norms: bool = False
    """Whether these steps, and what goes into the state with them, are normalised."""

    ssm_bias: bool = False
    """Whether the projections around a state have a bias."""

    conv_bias: bool = False
    ssm_norm: bool = True
    o_groups: Size | None = None
    o_lora_rank: Size | None = None

    hc_mult: Size | None = None
    """Streams of hyper-connections."""

    mtp_mlp: Literal["dense", "experts"] | None = None
    """The MLP of a layer that drafts tokens (MTP); None where such layers are not known."""

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
