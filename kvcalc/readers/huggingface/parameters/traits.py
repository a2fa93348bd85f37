"""What each model type's class makes of its weights: fixed traits, and the keys of the others.

A model type that has no row has no rule, and its parameters are not counted.
Source: transformers 5.24.0, models/<type>/modeling_<type>.py; `pytest -m families` counts each
row's default configuration by the class itself, on the meta device.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple


class Mix(NamedTuple):
    """The keys of a mixture of experts.

    `dense` is the key that says which layers have none; None is no layer. The width of the shared
    experts is the product of the `shared` keys; `fixed` are fields of `Experts` that the class
    fixes.
    """

    dense: str | None = None
    width: str = "moe_intermediate_size"
    shared: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = {}


class Traits(NamedTuple):
    """A model type's row: `fixed` fields of `Sizes`, and `keys` that give others.

    A key that holds a flag gives the value beside it where it is true. `dense` is the key of a
    dense MLP's width, `mtp` the MLP of a layer that drafts. Where one of the keys of `unless` is
    set, the rule does not hold.
    """

    fixed: Mapping[str, Any] = {}
    keys: Mapping[str, tuple[str, Any]] = {}
    mix: Mix | None = None
    dense: str = "intermediate_size"
    mtp: Literal["dense", "experts"] | None = None
    unless: tuple[str, ...] = ()

    def but(self, mix: Mix | None = None, /, **fixed: Any) -> "Traits":
        """The same row with other fixed fields, or experts."""
        return self._replace(fixed={**self.fixed, **fixed}, mix=mix or self.mix)


BIASED = {"attention_bias": ("attention_bias", "qkvo")}
QKV_BIASED = {"attention_bias": ("attention_bias", "qkv")}
LLAMA = Traits({}, {**BIASED, "mlp_bias": ("mlp_bias", True)})
QWEN2 = Traits({"attention_bias": "qkv"})
QWEN3 = Traits({"qk_norm": "head"}, BIASED)
QWEN3_NEXT = QWEN3.but(output_gate="element")
GEMMA2 = Traits({"layer_norms": 4}, BIASED)
LATENT = Traits({}, BIASED)
UNGATED = Traits({"gated_mlp": False, "norm_bias": True})
GPT2 = UNGATED.but(attention_bias="qkvo", mlp_bias=True)._replace(unless=("add_cross_attention",))
GPTJ = UNGATED.but(layer_norms=1, mlp_bias=True, lm_head_bias=True)
MAMBA = Traits(
    {"layer_norms": 1},
    {"conv_bias": ("use_conv_bias", True), "ssm_bias": ("use_bias", True)},
    dense="",
)

WIDE = Mix(width="intermediate_size")
QWEN3_MIX = Mix("decoder_sparse_step")
QWEN_SHARED = Mix(
    "decoder_sparse_step",
    shared=("shared_expert_intermediate_size",),
    fixed={"shared_expert_gate": True},
)
DEEPSEEK_MIX = Mix(
    "first_k_dense_replace",
    shared=("n_shared_experts", "moe_intermediate_size"),
    fixed={"correction": True},
)
EXAONE_MIX = DEEPSEEK_MIX._replace(shared=("num_shared_experts", "moe_intermediate_size"))
GRANITE_MIX = WIDE._replace(shared=("shared_intermediate_size",))

TRAITS: Mapping[str, Traits] = {
    **dict.fromkeys(
        ("llama", "granite", "helium", "smollm3", "cwm", "exaone", "iquestcoder"),
        LLAMA,
    ),
    **dict.fromkeys(("mistral", "ministral3", "phi3"), Traits()),
    "ernie4_5": Traits(
        {}, {"attention_bias": ("use_bias", "qkvo"), "mlp_bias": ("use_bias", True)}
    ),
    "internlm3": Traits({}, {"attention_bias": ("bias", "qkvo"), "mlp_bias": ("bias", True)}),
    "hyperclovax": LLAMA._replace(keys={**LLAMA.keys, "layer_norms": ("use_post_norm", 4)}),
    "arcee": LLAMA.but(gated_mlp=False),
    **dict.fromkeys(("jais2", "nemotron"), UNGATED._replace(keys=LLAMA.keys)),
    **dict.fromkeys(("gpt2", "gpt_bigcode"), GPT2),
    "gpt_neo": GPT2.but(attention_bias="o"),
    "gpt_neox": UNGATED.but(mlp_bias=True)._replace(keys=BIASED),
    **dict.fromkeys(("gptj", "codegen"), GPTJ),
    "opt": GPT2._replace(dense="ffn_dim"),
    "biogpt": GPT2,
    "bloom": GPT2.but(embedding_norm=True),
    "mpt": Traits({"gated_mlp": False}),
    "falcon": UNGATED._replace(
        keys={"attention_bias": ("bias", "qkvo"), "mlp_bias": ("bias", True)}
    ),
    **dict.fromkeys(("mamba", "falcon_mamba", "mamba2"), MAMBA),
    "jamba": Traits(
        {"state_norms": True},
        {"conv_bias": ("mamba_conv_bias", True), "ssm_bias": ("mamba_proj_bias", True)},
        Mix("expert_layer_period", "intermediate_size"),
    ),
    "starcoder2": UNGATED._replace(
        keys={"attention_bias": ("use_bias", "qkvo"), "mlp_bias": ("use_bias", True)}
    ),
    "stablelm": Traits(
        {"norm_bias": True},
        {"attention_bias": ("use_qkv_bias", "qkv"), "layer_norms": ("use_parallel_residual", 1)},
        unless=("qk_layernorm",),
    ),
    "phi": UNGATED.but(
        layer_norms=1,
        attention_bias="qkvo",
        mlp_bias=True,
        lm_head_bias=True,
        qk_norm_bias=True,
    )._replace(keys={"qk_norm": ("qk_layernorm", "head")}),
    "persimmon": UNGATED.but(attention_bias="qkvo", mlp_bias=True, qk_norm_bias=True)._replace(
        keys={"qk_norm": ("qk_layernorm", "head")}
    ),
    "apertus": LLAMA.but(gated_mlp=False, qk_norm="head", activation_scalars=2),
    "lfm2": Traits({"qk_norm": "head"}, unless=("conv_bias",)),
    "lfm2_moe": Traits(
        {"qk_norm": "head"},
        {},
        Mix("num_dense_layers", fixed={"correction": True}),
        unless=("conv_bias",),
    ),
    "minicpm3": Traits({}, {"mlp_bias": ("mlp_bias", True)}, unless=("attention_bias",)),
    "olmo": LLAMA.but(layer_norms=0),
    "olmo2": Traits({"qk_norm": "row"}, BIASED),
    "olmo3": Traits({"qk_norm": "row"}, BIASED),
    "olmoe": Traits({"qk_norm": "row"}, BIASED, WIDE),
    "flex_olmo": Traits({"qk_norm": "row"}, BIASED, WIDE),
    **dict.fromkeys(
        ("cohere", "cohere2"),
        Traits({"layer_norms": 1}, {**BIASED, "qk_norm": ("use_qk_norm", "row")}),
    ),
    "cohere2_moe": Traits(
        {"layer_norms": 1},
        BIASED,
        Mix(
            "mlp_layer_types",
            "intermediate_size",
            ("num_shared_experts", "intermediate_size"),
        ),
    ),
    "gemma": Traits({}, BIASED),
    "vaultgemma": Traits({}, BIASED),
    "gemma2": GEMMA2,
    "gemma3_text": GEMMA2.but(qk_norm="head"),
    "gemma4_text": Traits(
        {"layer_norms": 4, "qk_norm": "head"},
        {**BIASED, "values_are_keys": ("attention_k_eq_v", True)},
        Mix(fixed={"beside_dense": True, "router_scales": True, "norms": 3}),
        unless=("hidden_size_per_layer_input", "use_double_wide_mlp"),
    ),
    "glm": Traits({}, QKV_BIASED),
    "glm4": Traits({"layer_norms": 4}, QKV_BIASED),
    "glm4v_text": Traits({"layer_norms": 4, "attention_bias": "qkv"}),
    "glm4v_moe_text": Traits({}, QKV_BIASED, DEEPSEEK_MIX),
    "seed_oss": Traits({}, QKV_BIASED, unless=("attention_out_bias", "mlp_bias")),
    "exaone4": Traits({"qk_norm": "head"}),
    **dict.fromkeys(("qwen2", "qwen2_vl_text", "qwen2_5_vl_text"), QWEN2),
    "qwen2_moe": QWEN2.but(QWEN_SHARED),
    **dict.fromkeys(("qwen3", "qwen3_vl_text"), QWEN3),
    **dict.fromkeys(("qwen3_moe", "qwen3_vl_moe_text"), QWEN3.but(QWEN3_MIX)),
    "mellum": QWEN3.but(Mix("mlp_layer_types")),
    "qwen3_5_text": QWEN3_NEXT._replace(mtp="dense"),
    **dict.fromkeys(
        ("qwen3_next", "qwen3_5_moe_text"), QWEN3_NEXT.but(QWEN_SHARED)._replace(mtp="experts")
    ),
    "flint": QWEN3.but(
        QWEN3_MIX._replace(shared=("shared_expert_intermediate_size",)), sinks="all"
    ),
    "kolibri1": Traits(
        {"qk_norm": "head", "layer_norms": 4},
        mix=Mix(shared=("shared_expert_intermediate_size",), fixed={"correction": True}),
    ),
    "hunyuan_v1_moe": LLAMA.but(
        Mix(width="intermediate_size", shared=("intermediate_size",)), qk_norm="head"
    ),
    "mixtral": Traits(mix=WIDE),
    "phimoe": Traits({"norm_bias": True}, {**BIASED, "lm_head_bias": ("lm_head_bias", True)}, WIDE),
    **dict.fromkeys(("granitemoe", "granitemoeshared"), Traits({}, BIASED, GRANITE_MIX)),
    "granite_swa": LLAMA.but(sinks="all"),
    "granitemoe_swa": Traits({"sinks": "all"}, BIASED, GRANITE_MIX),
    "granitemoehybrid": Traits(
        {},
        {**BIASED, "conv_bias": ("mamba_conv_bias", True)},
        GRANITE_MIX,
        unless=("mamba_proj_bias",),
    ),
    "bamba": Traits(
        {},
        {**BIASED, "conv_bias": ("mamba_conv_bias", True), "mlp_bias": ("mlp_bias", True)},
        unless=("mamba_proj_bias",),
    ),
    "falcon_h1": Traits(
        {"ssm_norm": False},
        {**BIASED, "conv_bias": ("mamba_conv_bias", True), "ssm_norm": ("mamba_rms_norm", True)},
        unless=("mamba_proj_bias", "mlp_bias"),
    ),
    "minimax": Traits(mix=WIDE),
    "minimax_m2": Traits({"qk_norm": "row"}, mix=WIDE._replace(fixed={"correction": True})),
    **dict.fromkeys(
        ("minimax_m3", "minimax_m3_vl_text"),
        Traits(
            {"qk_norm": "head"},
            mix=Mix(
                "moe_layer_freq",
                "intermediate_size",
                ("shared_intermediate_size",),
                {"correction": True},
            ),
            dense="dense_intermediate_size",
        ),
    ),
    "gpt_oss": Traits(
        {"sinks": "all"}, BIASED, WIDE._replace(fixed={"bias": True, "router_bias": True})
    ),
    "exaone_moe": Traits({"qk_norm": "head"}, {}, EXAONE_MIX, mtp="dense"),
    "llama4_text": Traits(
        {},
        BIASED,
        Mix("interleave_moe_layer_step", "intermediate_size", ("intermediate_size",)),
        dense="intermediate_size_mlp",
    ),
    "dots1": QWEN3.but(DEEPSEEK_MIX),
    "beam": Traits(
        {
            "layer_norms": 4,
            "qk_norm": "head",
            "output_gate": "element",
            "output_gate_bias": True,
        },
        BIASED,
        DEEPSEEK_MIX._replace(shared=()),
    ),
    "hunyuan_v1_dense": LLAMA.but(qk_norm="head"),
    "ernie4_5_moe": Traits(
        {},
        {"attention_bias": ("use_bias", "qkvo"), "mlp_bias": ("use_bias", True)},
        Mix(
            "moe_layer_start_index",
            shared=("moe_num_shared_experts", "moe_intermediate_size"),
            fixed={"router_bias": True},
        ),
    ),
    "afmoe": Traits(
        {"qk_norm": "head", "output_gate": "element", "layer_norms": 4},
        BIASED,
        Mix(
            "num_dense_layers",
            shared=("num_shared_experts", "moe_intermediate_size"),
            fixed={"router_bias": True},
        ),
    ),
    "glm4_moe": Traits({}, {**QKV_BIASED, "qk_norm": ("use_qk_norm", "head")}, DEEPSEEK_MIX),
    "sarvam_moe": Traits({"qk_norm": "head"}, QKV_BIASED, EXAONE_MIX),
    "hy_v3": Traits({"qk_norm": "head"}, {}, EXAONE_MIX),
    "solar_open": Traits({}, {}, DEEPSEEK_MIX),
    "step3p5": Traits(
        {"qk_norm": "head", "output_gate": "head"},
        {},
        DEEPSEEK_MIX._replace(shared=("share_expert_dim",)),
    ),
    "laguna": Traits(
        {"qk_norm": "head", "output_gate": "head"},
        BIASED,
        Mix(
            "mlp_layer_types",
            shared=("shared_expert_intermediate_size",),
            fixed={"router_bias": True},
        ),
    ),
    "deepseek_v2": LATENT.but(DEEPSEEK_MIX._replace(fixed={})),
    **dict.fromkeys(
        ("deepseek_v3", "kimi_k2", "deepseek_v32", "glm_moe_dsa", "glm4_moe_lite", "mistral4"),
        LATENT.but(DEEPSEEK_MIX)._replace(mtp="experts"),
    ),
    "sarvam_mla": LATENT.but(EXAONE_MIX),
    "axk1": LATENT.but(DEEPSEEK_MIX._replace(fixed={"correction": True, "norms": 1})),
    "kimi_linear": LATENT.but(EXAONE_MIX),
    "youtu": LATENT,
    "deepseek_v4": Traits({"sinks": "all"}, BIASED, DEEPSEEK_MIX),
    "mimo_v2_flash": Traits(
        {"sinks": "sliding"},
        BIASED,
        Mix("moe_layer_freq", fixed={"correction": True}),
        mtp="dense",
    ),
    "nemotron_h": Traits(
        {"layer_norms": 1, "gated_mlp": False},
        {**BIASED, "conv_bias": ("use_conv_bias", True)},
        Mix(
            shared=("moe_shared_expert_intermediate_size",),
            fixed={"gated": False, "correction": True},
        ),
        unless=("mamba_proj_bias", "mlp_bias"),
    ),
}
"""The rules by the model type of the language model."""
