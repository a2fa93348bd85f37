"""The model types that SGLang has no class for, and transformers' own is not one that it runs.

It falls back to a class that says of itself that it is compatible, and refuses the others (SGLang
0.5.23, srt/model_loader/utils.py, resolve_transformers_arch; transformers 5.24.0,
is_backend_compatible).
"""

from kvcalc.engines.engine import names

UNSERVED = tuple(
    sorted(
        names(
            "bamba bart big_bird bigbird_pegasus biogpt blenderbot blenderbot-small blip bloom "
            "canary cohere_asr cpmant deepseek_vl deepseek_vl_hybrid dia encoder-decoder evolla "
            "falcon florence2 fsmt git gpt_neo gpt_neox_japanese inkling2 inkling2_loop "
            "inkling2_loop_text inkling2_text jamba janus lara_mini led longt5 m2m_100 marian "
            "mbart megatron-bert moonshine moonshine_streaming mpt mt5 musicgen musicgen_melody "
            "mvp nllb-moe olmo_hybrid openai-gpt pegasus pegasus_x pix2struct plbart pop2piano "
            "pp_formulanet prophetnet reformer rembert roformer rwkv seamless_m4t seamless_m4t_v2 "
            "speech-encoder-decoder speech_to_text speecht5 switch_transformers t5 trocr udop umt5 "
            "vision-encoder-decoder xglm xlm xlnet xlstm zamba zamba2"
        )
    )
)
