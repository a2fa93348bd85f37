"""The tensors of a layer's MLPs: a dense one, a mixture of experts, or both."""

from collections.abc import Iterator

from kvcalc.parameters.parts import Part
from kvcalc.parameters.sizes import Experts, Sizes


def dense(sizes: Sizes, width: int) -> Iterator[Part]:
    """A dense MLP of a width: gated or not, with biases or without."""
    hidden = sizes.hidden_size
    if sizes.gated_mlp:
        yield Part("gate", "mlp", (width, hidden))
    yield Part("up", "mlp", (width, hidden))
    yield Part("down", "mlp", (hidden, width))
    if sizes.activation_scalars:
        yield Part("norm", "mlp", (1,), sizes.activation_scalars)
    if sizes.mlp_bias:
        yield Part("up_bias", "mlp", (width,), 2 if sizes.gated_mlp else 1)
        yield Part("down_bias", "mlp", (hidden,))


def experts(mix: Experts, hidden: int) -> Iterator[Part]:
    """A mixture of experts, its router, and the experts that every token takes."""
    row, width, count = mix.moe_latent_size or hidden, mix.moe_intermediate_size, mix.num_experts
    up = 2 * width if mix.gated else width
    yield Part("expert_gate_up" if mix.gated else "expert_up", "experts", (count, up, row))
    yield Part("expert_down", "experts", (count, row, width))
    if mix.bias:
        yield Part("expert_up_bias", "experts", (count, up))
        yield Part("expert_down_bias", "experts", (count, row))
    yield Part("router", "router", (count, hidden))
    if mix.router_bias:
        yield Part("router_bias", "router", (count,))
    if mix.router_scales:  # Gemma 4: a scale of the rows, and one of each expert
        yield Part("router_scale", "router", (hidden,))
        yield Part("router_scale", "router", (count,))
    if mix.correction:
        yield Part("router_correction", "buffers", (count,))
    if mix.moe_latent_size:
        yield Part("latent_down", "expert_latent_projections", (row, hidden))
        yield Part("latent_up", "expert_latent_projections", (hidden, row))
    if mix.shared_expert_intermediate_size:
        shared = mix.shared_expert_intermediate_size
        if mix.gated:
            yield Part("shared_gate", "shared_expert", (shared, hidden))
        yield Part("shared_up", "shared_expert", (shared, hidden))
        yield Part("shared_down", "shared_expert", (hidden, shared))
    if mix.shared_expert_gate:
        yield Part("shared_expert_gate", "shared_expert_gate", (1, hidden))
