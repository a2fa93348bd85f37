"""The modules of vLLM 0.33.0's registry that make caches of their own, and how each stands here.

They are those that state a KV cache spec or a state's shape, or build a layer that does
(model_executor/models/registry.py names them; a test on demand finds them again). Of the
recurrent ones kvcalc's kinds of layers have the states' shapes
(model_executor/layers/mamba/mamba_utils.py); another kind is refused by its kind. Rows are kept by
classes that build latent attention, or by the backend for transformers' classes if the model type
is one of those listed (transformers_utils/model_arch_config_convertor.py, is_deepseek_mla); others
keep whole heads.
"""

from kvcalc.engines.own_caches import OwnCache

HEADS = "the keys and values of all heads that its latent rows expand to"

OWN_CACHES = (
    *(
        OwnCache(module)
        for module in (
            *("bailing_moe_linear", "bailing_moe_v3", "bailing_moe_v3_vl", "falcon_h1"),
            *("granitemoehybrid", "jamba", "lfm2", "lfm2_moe", "lfm2_vl", "mamba", "mamba2"),
            *("minicpmv4_6", "nano_nemotron_vl", "nemotron_h", "olmo_hybrid", "qwen3_5"),
            *("qwen3_next", "zamba2", "deepseek_v2", "vllm.models.deepseek_v32"),
            *("vllm.models.deepseek_v4", "vllm.models.glm5next", "vllm.models.hy_v4"),
            *("vllm.models.kimi_k3", "vllm.models.minimax_m3", "vllm.models.qwen4_exp"),
        )
    ),
    OwnCache("alice_ai", "the states of its recurrent layers", ("alice_ai",)),
    OwnCache("colbert", "the states of its encoder", ("colbert",)),
    OwnCache("extract_hidden_states"),  # a way of speculation that takes no part in an answer
    OwnCache(
        "openpangu"
    ),  # a file with its sink's key, param_sink_number, is refused as it is read
    OwnCache(
        "vllm.models.deepseek_v41",
        "the circular buffers of its compressors and the layers that read others' rows",
        ("deepseek_v41", "deepseek_v41_text"),
    ),
    OwnCache(
        "vllm.models.dots3_note",
        "its windows of latent rows",
        ("dots3_note", "dots3_note_text"),
    ),
    OwnCache(
        "vllm.models.inkling",
        "the windows of its convolutions",
        ("inkling", "inkling_text", "inkling_model", "inkling_mm_model"),
    ),
    OwnCache(
        "vllm.models.step5",
        "the summaries of its sparse layers and the ring of their tail",
        ("step5", "step5_vl"),
    ),
    OwnCache("minicpm3", HEADS, ("minicpm3",)),
    OwnCache(
        "transformers/base.py",
        HEADS,
        (
            *("axk2", "hy_v4_vl", "hy_v4_vl_text", "mistral_large4", "mistral_large4_text"),
            "youtu",
        ),
    ),
    OwnCache(
        "rswa_attention",
        "its window of reference tokens",
        ("unlimited_ocr", "unlimited_ocr_text", "unlimited-ocr"),
    ),
)
