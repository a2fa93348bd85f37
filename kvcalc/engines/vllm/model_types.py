"""The model types that came with a release of vLLM, and those that it cannot run from one on.

It runs those whose class its registry lists, and by its backend those of transformers' own classes
whose attention goes through transformers' interface, with one self-attention for each layer (vLLM
0.33.0, model_executor/models/registry.py, _PREVIOUSLY_SUPPORTED_MODELS, _try_resolve_transformers;
models/transformers/base.py, _create_attention_instances). Which classes have the interface is
transformers 5.24.0's (modeling_utils.py, _can_set_attn_implementation). Before a class came, at
most the backend could serve its model type, which was not read.
"""

from kvcalc.engines.engine import names

CAME = {
    "0.12.0": "hunyuan_vl",
    "0.13.0": "audioflamingo3 jais2",
    "0.14.0": "exaone_moe glmasr lfm2_vl mimo_v2_flash",
    "0.16.0": "glm4_moe_lite glm_moe_dsa glm_ocr kimi_k25 molmo2 musicflamingo qwen3_asr step3p5",
    "0.17.0": "axk1 bailing_hybrid qwen3_5 qwen3_5_moe",
    "0.18.0": "hyperclovax olmo_hybrid",
    "0.19.0": "cohere_asr gemma4 gemma4_text",
    "0.20.0": "deepseek_v4 exaone4_5 granite4_vision hy_v3 ministral3",
    "0.21.0": "cohere2_moe laguna mimo_v2 qianfan_ocr",
    "0.22.0": "minicpmv4_6",
    "0.22.1": "mellum",
    "0.23.0": "gemma4_unified gemma4_unified_text granite_speech_plus step3p7",
    "0.24.0": "diffusion_gemma hrm_text minimax_m3 minimax_m3_vl",
    "0.25.0": "moss_transcribe_diarize",
    "0.26.0": "cosmos3_edge inkling inkling_mm_model inkling_text",
    "0.27.0": "kimi_k3 qwen3_5_moe_text qwen3_5_text",
    "0.28.0": "dots3_note dots3_note_text muse_glimmer",
    "0.29.0": "granite_swa granitemoe_swa hy_v4 nemotron_h_omni qwen4_exp qwen4_exp_text",
    "0.30.0": "cohere_compass glm5_next",
    "0.32.0": "minicpmv4_7",
    "0.33.0": "beam dory flint minicpm_ocr muse_spark",
}
"""Those whose class came, by the release."""

NO_INTERFACE = names(
    "big_bird blip cpmant gpt_neo gpt_neox_japanese megatron-bert openai-gpt reformer rembert "
    "roformer rwkv trocr xglm xlm xlnet"
)

WITH_A_SOURCE = names(
    "bart bigbird_pegasus blenderbot blenderbot-small canary dia encoder-decoder florence2 fsmt "
    "led longt5 m2m_100 marian mbart mllama moonshine moonshine_streaming mt5 musicgen "
    "musicgen_melody mvp nllb-moe pegasus pegasus_x pix2struct plbart pop2piano prophetnet "
    "seamless_m4t seamless_m4t_v2 speech-encoder-decoder speech_to_text speecht5 "
    "switch_transformers t5 t5gemma t5gemma2 udop umt5 vision-encoder-decoder"
)
"""Those that attend to an encoder's or an image's tokens."""

WITH_STATES = names(
    "inkling2 inkling2_loop inkling2_loop_text inkling2_text lara_mini lfm3 lfm3_vl "
    "nemo_speechlm zamba"
)

WENT = {
    "0.11.2": " ".join(sorted(NO_INTERFACE | WITH_A_SOURCE | WITH_STATES)),
    "0.24.0": "bamba minimax",
    "0.29.0": "mpt",
}
"""The model types that vLLM cannot run from a release on."""
