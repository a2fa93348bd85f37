"""The architectures that ExLlamaV3 has a class for (1.6.5, architecture/*.py), and their caches.

A model goes by the class that its config.json names (`architectures`); one that does not say it, as
a preset, by the class of its model type.
"""

from collections.abc import Mapping

from kvcalc.engines.engine import names
from kvcalc.errors import UnsupportedError, quote
from kvcalc.model import Model

RINGS: Mapping[str, int] = {
    "AfmoeForCausalLM": 0,
    "Gemma4ForConditionalGeneration": 1,
    "Gemma4UnifiedForConditionalGeneration": 1,
    "GptOssForCausalLM": 1,
    "LagunaForCausalLM": 0,
    "MiMoV2ForCausalLM": 1,
    "MuseGlimmerForConditionalGeneration": 1,
    "Spark2_5ForCausalLM": 0,
    "Step3p5ForCausalLM": 0,
    "Step3p7ForConditionalGeneration": 0,
}
"""Their sliding layers are a SlidingAttention: by how many tokens its window is less than the
file's, which counts the query itself."""

PAGED = names(
    "ApertusForCausalLM ArceeForCausalLM BailingMoeV3ForCausalLM Cohere2ForCausalLM "
    "CohereForCausalLM DeciLMForCausalLM DeepseekV3ForCausalLM DeepseekV4ForCausalLM "
    "Dots1ForCausalLM Ernie4_5_ForCausalLM Ernie4_5_MoeForCausalLM Exaone4ForCausalLM "
    "Gemma2ForCausalLM Gemma3ForCausalLM Gemma3ForConditionalGeneration Glm4ForCausalLM "
    "Glm4MoeForCausalLM Glm4MoeLiteForCausalLM Glm4vForConditionalGeneration "
    "Glm4vMoeForConditionalGeneration GlmMoeDsaForCausalLM HCXVisionV2ForCausalLM HYV3ForCausalLM "
    "HyperCLOVAXForCausalLM IQuestCoderForCausalLM KimiLinearForCausalLM Lfm2ForCausalLM "
    "Lfm2MoeForCausalLM Lfm2VlForConditionalGeneration LlamaForCausalLM MiMoForCausalLM "
    "MiniMaxM2ForCausalLM Ministral3ForCausalLM Mistral3ForConditionalGeneration "
    "MistralForCausalLM MixtralForCausalLM NemotronHForCausalLM NemotronH_Omni_Reasoning_V3 "
    "Olmo3ForCausalLM OlmoHybridForCausalLM Phi3ForCausalLM Qwen2ForCausalLM "
    "Qwen2_5_VLForConditionalGeneration Qwen3ForCausalLM Qwen3MoeForCausalLM Qwen3NextForCausalLM "
    "Qwen3VLForConditionalGeneration Qwen3VLMoeForConditionalGeneration Qwen3_5ForCausalLM "
    "Qwen3_5ForConditionalGeneration Qwen3_5MoeForCausalLM Qwen3_5MoeForConditionalGeneration "
    "SeedOssForCausalLM SmolLM3ForCausalLM SolarOpenForCausalLM"
)
"""A window is an argument of their kernel: every attention layer is paged in full."""

NOT_MODELLED: Mapping[str, str] = {
    "Glm5NextForConditionalGeneration": "the pooled plane of its indexers (cache/mla.py)",
    "Qwen4ExpForConditionalGeneration": "the planes of its indexers (cache/qsa.py)",
    **dict.fromkeys(
        (
            *("DFlashDraftModel", "DFlash2DraftModel", "DFlashLagunaForCausalLM"),
            *("Gemma4AssistantForCausalLM", "MuseGlimmerAssistantModel"),
        ),
        "a draft's cache beside its target's (generator/generator.py)",
    ),
}
"""Architectures that were read and not measured: what is missing here."""

ONE_GROUP = names(
    "AfmoeForCausalLM DeepseekV3ForCausalLM Glm4MoeLiteForCausalLM GlmMoeDsaForCausalLM "
    "KimiLinearForCausalLM MiMoV2ForCausalLM Mistral3ForConditionalGeneration "
    "NemotronHForCausalLM NemotronH_Omni_Reasoning_V3"
)
"""They assert that the router parts its experts into no groups."""

LISTS_INDEXERS = names("GlmMoeDsaForCausalLM")
"""They want `indexer_types`, which the file alone may leave to transformers' class."""

OF_TYPE: Mapping[str, str] = {
    "afmoe": "AfmoeForCausalLM",
    "apertus": "ApertusForCausalLM",
    "arcee": "ArceeForCausalLM",
    "bailing_hybrid": "BailingMoeV3ForCausalLM",
    "cohere": "CohereForCausalLM",
    "cohere2": "Cohere2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "deepseek_v4": "DeepseekV4ForCausalLM",
    "dots1": "Dots1ForCausalLM",
    "ernie4_5_moe": "Ernie4_5_MoeForCausalLM",
    "exaone4": "Exaone4ForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3": "Gemma3ForConditionalGeneration",
    "gemma3_text": "Gemma3ForCausalLM",
    "gemma4": "Gemma4ForConditionalGeneration",
    "gemma4_unified": "Gemma4UnifiedForConditionalGeneration",
    "glm5_next": "Glm5NextForConditionalGeneration",
    "glm4": "Glm4ForCausalLM",
    "glm4_moe": "Glm4MoeForCausalLM",
    "glm4_moe_lite": "Glm4MoeLiteForCausalLM",
    "glm4v": "Glm4vForConditionalGeneration",
    "glm4v_moe": "Glm4vMoeForConditionalGeneration",
    "glm_moe_dsa": "GlmMoeDsaForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "hy_v3": "HYV3ForCausalLM",
    "hyperclovax": "HyperCLOVAXForCausalLM",
    "kimi_k2": "DeepseekV3ForCausalLM",
    "kimi_linear": "KimiLinearForCausalLM",
    "laguna": "LagunaForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "lfm2_moe": "Lfm2MoeForCausalLM",
    "lfm2_vl": "Lfm2VlForConditionalGeneration",
    "llama": "LlamaForCausalLM",
    "minimax_m2": "MiniMaxM2ForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "mistral": "MistralForCausalLM",
    "mistral3": "Mistral3ForConditionalGeneration",
    "mixtral": "MixtralForCausalLM",
    "muse_glimmer": "MuseGlimmerForConditionalGeneration",
    "nemotron-nas": "DeciLMForCausalLM",
    "nemotron_h": "NemotronHForCausalLM",
    "nemotron_h_omni": "NemotronH_Omni_Reasoning_V3",
    "olmo3": "Olmo3ForCausalLM",
    "olmo_hybrid": "OlmoHybridForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_5": "Qwen3_5ForConditionalGeneration",
    "qwen3_5_moe": "Qwen3_5MoeForConditionalGeneration",
    "qwen3_5_moe_text": "Qwen3_5MoeForCausalLM",
    "qwen3_5_text": "Qwen3_5ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "qwen3_next": "Qwen3NextForCausalLM",
    "qwen3_vl": "Qwen3VLForConditionalGeneration",
    "qwen3_vl_moe": "Qwen3VLMoeForConditionalGeneration",
    "qwen4_exp": "Qwen4ExpForConditionalGeneration",
    "seed_oss": "SeedOssForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "solar_open": "SolarOpenForCausalLM",
    "step3p7": "Step3p7ForConditionalGeneration",
}
"""The class that files of a model type name, or the like of it that ExLlamaV3 has."""


def architecture_of(model: Model) -> str | None:
    """Find the class that runs a model; None for a model given by its shape.

    Raises:
        UnsupportedError: ExLlamaV3 has none, or it refuses the model's file; the sentence says why.
    """
    facts, model_type = model.config_facts, model.model_type
    named = None if facts is None else facts.architecture
    if named is None and model_type is None:
        return None
    name = named or OF_TYPE.get(model_type or "")
    if name is None:
        raise UnsupportedError(
            f"exllamav3 has no architecture for the model type {quote(model_type)}",
            what=f"model type {model_type}",
        )
    if name in NOT_MODELLED:
        raise UnsupportedError(
            f"exllamav3 keeps more of {name} than is modelled here: {NOT_MODELLED[name]}",
            what=f"architecture {name}",
        )
    if name not in PAGED and name not in RINGS:
        raise UnsupportedError(
            f"exllamav3 does not know the architecture {quote(name)} of the model's config.json",
            what=f"architecture {name}",
        )
    if facts is not None:
        if name in ONE_GROUP and (facts.n_group or 1) > 1:
            raise UnsupportedError.of(
                "n_group",
                f"found {facts.n_group}, expected 1: exllamav3 routes a token among all experts, "
                "not within groups of them",
            )
        if name in LISTS_INDEXERS and not facts.indexer_types:
            raise UnsupportedError.of(
                "indexer_types", "missing in the model's config.json, where exllamav3 reads it"
            )
    return name
