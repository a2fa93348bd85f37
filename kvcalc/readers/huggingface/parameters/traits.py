"""What each model type's class makes of its weights: fixed traits, and the keys of the others.

A model type that has no row has no rule, and its parameters are not counted.
Source: transformers 5.24.0, models/<type>/modeling_<type>.py; `pytest -m families` counts each
row's default configuration by the class itself, on the meta device.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Mix(NamedTuple):
    """The keys of a mixture of experts.

    `dense` is the key that says which layers have none; None is no layer. The width of the shared
    experts is the product of the `shared` keys; `traits` are fields of `Experts` that the class
    fixes.
    """

    dense: str | None = None
    width: str = "moe_intermediate_size"
    shared: tuple[str, ...] = ()
    traits: Mapping[str, Any] = {}


class Traits(NamedTuple):
    """A model type's row: `fixed` fields of `Sizes`, and `keys` that give others.

    A key that holds a flag gives the value beside it where it is true.
    """

    fixed: Mapping[str, Any] = {}
    keys: Mapping[str, tuple[str, Any]] = {}
    mix: Mix | None = None

    def but(self, mix: Mix | None = None, **fixed: Any) -> "Traits":
        """The same row with other fixed fields, or experts."""
        return Traits({**self.fixed, **fixed}, self.keys, mix or self.mix)


BIASED = {"attention_bias": ("attention_bias", "qkvo")}
LLAMA = Traits({}, {**BIASED, "mlp_bias": ("mlp_bias", True)})
QWEN2 = Traits({"attention_bias": "qkv"})
QWEN3 = Traits({"qk_norm": "head"}, BIASED)
LATENT = Traits({}, BIASED)

QWEN3_MIX = Mix("decoder_sparse_step")
GATED_SHARED = Mix(
    shared=("shared_expert_intermediate_size",),
    traits={"shared_expert_gate": True},
)
DEEPSEEK_MIX = Mix(
    "first_k_dense_replace",
    shared=("n_shared_experts", "moe_intermediate_size"),
    traits={"correction": True},
)
QWEN3_NEXT = Traits({"qk_norm": "head", "output_gate": "element"}, BIASED)

TRAITS: Mapping[str, Traits] = {
    "llama": LLAMA,
    "mistral": Traits(),
    "qwen2": QWEN2,
    "qwen3": QWEN3,
    "qwen3_moe": QWEN3.but(QWEN3_MIX),
    "qwen3_5_text": QWEN3_NEXT,
    "qwen3_5_moe_text": QWEN3_NEXT.but(GATED_SHARED),
    "mixtral": Traits(mix=Mix(width="intermediate_size")),
    "minimax_m2": Traits(
        {"qk_norm": "row"}, mix=Mix(width="intermediate_size", traits={"correction": True})
    ),
    "gpt_oss": Traits(
        {"sinks": "all"},
        BIASED,
        Mix(width="intermediate_size", traits={"bias": True, "router_bias": True}),
    ),
    "exaone_moe": Traits(
        {"qk_norm": "head"},
        {},
        Mix(
            "first_k_dense_replace",
            shared=("num_shared_experts", "moe_intermediate_size"),
            traits={"correction": True},
        ),
    ),
    "deepseek_v3": LATENT.but(DEEPSEEK_MIX),
    "kimi_k2": LATENT.but(DEEPSEEK_MIX),
    "deepseek_v32": LATENT.but(DEEPSEEK_MIX),
    "glm_moe_dsa": LATENT.but(DEEPSEEK_MIX),
    "mimo_v2_flash": Traits(
        {},
        {**BIASED, "sinks": ("add_swa_attention_sink_bias", "sliding")},
        Mix("moe_layer_freq", traits={"correction": True}),
    ),
    "nemotron_h": Traits(
        {"layer_norms": 1, "gated_mlp": False},
        {**BIASED, "conv_bias": ("use_conv_bias", True), "mlp_bias": ("mlp_bias", True)},
        Mix(
            shared=("moe_shared_expert_intermediate_size",),
            traits={"gated": False, "correction": True},
        ),
    ),
}
"""The rules by the model type of the language model."""
