"""The model types that vLLM cannot run: it has no class for them, nor its backend a way.

The backend for transformers' own classes takes those whose attention goes through transformers'
interface, and gives each layer one self-attention (vLLM 0.33.0, model_executor/models/registry.py,
_try_resolve_transformers; models/transformers/base.py, _create_attention_instances). Which classes
have the interface is transformers 5.24.0's (modeling_utils.py, _can_set_attn_implementation).
"""

from kvcalc.engines.engine import names

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

UNSERVED = tuple(sorted(NO_INTERFACE | WITH_A_SOURCE | WITH_STATES))
