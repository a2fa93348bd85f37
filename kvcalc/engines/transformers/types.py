"""The model types that transformers 5.24.0 has a class with a language model for.

They are those of its configuration classes (models/auto/configuration_auto.py), as the tests hold.
"""

from kvcalc.engines.engine import names

TYPES = names(
    """
    afmoe apertus apertus1p5 apertus1p5_text arcee aria aria_text audioflamingo3 axk1 axk2
    aya_vision bailing_hybrid bamba bart beam bert bert-generation big_bird bigbird_pegasus biogpt
    bitnet blenderbot blenderbot-small blip blip-2 blip_text_model bloom blt camembert canary
    canary_decoder chameleon codegen cohere cohere2 cohere2_moe cohere2_vision cohere_asr
    cohere_compass cohere_compass_text cosmos3_edge cosmos3_edge_text cosmos3_omni cpmant ctrl cwm
    data2vec-text dbrx deepseek_ocr2 deepseek_ocr2_text deepseek_v2 deepseek_v3 deepseek_v32
    deepseek_v4 deepseek_vl deepseek_vl_hybrid dia dia_decoder diffllama diffusion_gemma
    diffusion_gemma_text doge dory dots1 dots3_note dots3_note_text electra emu3 emu3_text_model
    encoder-decoder ernie ernie4_5 ernie4_5_moe ernie4_5_vl_moe ernie4_5_vl_moe_text evolla exaone
    exaone4 exaone4_5 exaone_moe falcon falcon_h1 falcon_mamba fast_vlm flex_olmo flint florence2
    fsmt fun_asr_nano fuyu gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text gemma4
    gemma4_assistant gemma4_text gemma4_unified gemma4_unified_assistant gemma4_unified_text git glm
    glm4 glm46v glm4_moe glm4_moe_lite glm4v glm4v_moe glm4v_moe_text glm4v_text glm5_next
    glm5_next_text glm_moe_dsa glm_ocr glm_ocr_text glmasr glmga got_ocr2 gpt-sw3 gpt2 gpt_bigcode
    gpt_neo gpt_neox gpt_neox_japanese gpt_oss gptj granite granite4_vision granite4_vision_text
    granite_docling granite_docling_text granite_speech granite_speech_plus granite_swa granitemoe
    granitemoe_swa granitemoehybrid granitemoeshared helium hrm_text hunyuan_v1_dense hunyuan_v1_moe
    hunyuan_vl hunyuan_vl_text hy_v3 hy_v4 hy_v4_vl hy_v4_vl_text hyperclovax hyperclovax_vision_v2
    idefics idefics2 idefics3 inkling2 inkling2_loop inkling2_loop_text inkling2_text
    inkling_mm_model inkling_text instructblip instructblipvideo internlm3 internvl iquestcoder
    jais2 jamba janus jetmoe kimi_k25 kimi_linear kolibri1 kosmos-2 kosmos-2.5 kosmos_2_5_text_model
    kosmos_2_text_model kyutai_speech_to_text laguna lara_mini led lfm2 lfm2_moe lfm2_vl lfm3
    lfm3_vl lighton_ocr llama llama4 llama4_text llava llava_next llava_next_video llava_onevision
    longcat_flash longt5 m2m_100 mamba mamba2 marian mbart megatron-bert mellum mimo_v2_flash
    minicpm3 minicpm_ocr minicpmv4_6 minicpmv4_7 minimax minimax_m2 minimax_m3_vl minimax_m3_vl_text
    ministral ministral3 mistral mistral3 mistral4 mistral_large4 mistral_large4_text mixtral mllama
    mllama_text_model modernbert-decoder molmo2 molmo2_text moonshine moonshine_streaming moshi
    moss_transcribe_diarize mpt mt5 muse_glimmer muse_glimmer_text muse_spark muse_spark_text
    musicflamingo musicgen musicgen_decoder musicgen_melody musicgen_melody_decoder mvp nanochat
    nemo_speechlm nemotron nemotron_h nemotron_h_omni nllb-moe olmo olmo2 olmo3 olmo_hybrid olmoe
    omniasr openai-gpt opt ovis2 paddleocr_vl paddleocr_vl_text paligemma pegasus pegasus_x
    perception_lm persimmon phi phi3 phi4_multimodal phimoe pi0 pix2struct pix2struct_text_model
    plbart pop2piano pp_chart2table pp_formulanet pp_formulanet_text prophetnet qianfan_ocr qwen2
    qwen2_5_omni qwen2_5_omni_text qwen2_5_omni_thinker qwen2_5_vl qwen2_5_vl_text qwen2_audio
    qwen2_moe qwen2_vl qwen2_vl_text qwen3 qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text
    qwen3_asr qwen3_moe qwen3_next qwen3_omni_moe qwen3_omni_moe_text qwen3_omni_moe_thinker
    qwen3_vl qwen3_vl_moe qwen3_vl_moe_text qwen3_vl_text qwen4_exp qwen4_exp_text recurrent_gemma
    reformer rembert roberta roberta-prelayernorm roc_bert roformer rwkv sarvam_mla sarvam_moe
    seamless_m4t seamless_m4t_v2 seed_oss shieldgemma2 smollm3 smolvlm solar_open
    speech-encoder-decoder speech_to_text speecht5 stablelm starcoder2 step3p5 step3p7
    switch_transformers t5 t5_gemma_module t5gemma t5gemma2 t5gemma2_decoder trocr udop umt5
    unlimited_ocr unlimited_ocr_text vaultgemma vibevoice vibevoice_asr video_llama_3 video_llava
    vipllava vision-encoder-decoder voxtral voxtral_realtime voxtral_realtime_text whisper xglm xlm
    xlm-roberta xlm-roberta-xl xlnet xlstm xmod youtu zamba zamba2 zaya
    """
)

UNMEASURED = {
    "step3p5": "its class keeps sizes of its own per layer",
    "step3p7": "its class takes a file with a text_config alone, and another for 45 full layers",
}
"""Those whose class does not take published files as they are, or was not measured with one
(models/step3p7/configuration_step3p7.py)."""
