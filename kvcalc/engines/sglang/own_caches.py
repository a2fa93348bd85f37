"""The configurations of SGLang 0.5.23 that have states or pools of their own, and how each stands.

They are those that shape a state (srt/configs, mamba2_cache_params), or for which memory has a pool
that no other model takes (srt/mem_cache). Rows of latent attention are kept for the classes that
configs/model_config.py names (AttentionArch.MLA); others keep whole heads.
"""

from kvcalc.engines.own_caches import OwnCache

OWN_CACHES = (
    *(
        OwnCache(f"configs/{name}.py")
        for name in (
            *("bailing_hybrid", "falcon_h1", "glm5_next", "granitemoehybrid", "jet_nemotron"),
            "jet_vlm",
            *("kimi_linear", "lfm2", "lfm2_moe", "lfm2_vl", "mamba", "mamba2", "nemotron_h"),
            "qwen3_next",
        )
    ),
    *(
        OwnCache(f"mem_cache/{name}.py")
        for name in (
            *("deepseek_v4_memory_pool", "swa_memory_pool", "memory_pool"),
            *("qsa_kv_pool", "ple_state_pool"),
        )
    ),
    OwnCache(
        "configs/gigachat35.py",
        "the states of its recurrent layers",
        ("gigachat3_5",),
    ),
    OwnCache(
        "configs/inkling.py",
        "the states of its convolutions",
        ("inkling", "inkling_text", "inkling_model", "inkling_mm_model"),
    ),
    OwnCache("configs/minicpm.py", "its lightning attention's states", ("minicpm_sala",)),
    OwnCache("configs/zaya.py", "the states of its convolutions", ("zaya",)),
    OwnCache(
        "models/transformers.py",
        "the keys and values of all heads that its latent rows expand to",
        (
            *("axk1", "axk2", "hy_v4_vl", "hy_v4_vl_text", "mistral_large4"),
            *("mistral_large4_text", "youtu"),
        ),
    ),
    OwnCache(
        "mem_cache/dsv41_request_window.py",
        "the windows of its requests",
        ("deepseek_v41", "deepseek_v41_text"),
    ),
)
