"""What SGLang sees in a model: rules by Hugging Face's model type, and traits of its layers.

Source: SGLang 0.5.23, the file named beside each rule.
"""

from typing import NamedTuple

from kvcalc.engines.engine import names
from kvcalc.errors import UnsupportedError, quote
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.recurrent import Recurrent
from kvcalc.model import Model

WINDOW_LESS_ONE = names(
    "beam diffusion_gemma diffusion_gemma_text dots3_note dots3_note_text gemma4 gemma4_text "
    "gemma4_unified gemma4_unified_text gpt_oss mellum muse_glimmer muse_glimmer_text muse_spark "
    "muse_spark_text spark2_5"
)
"""Models with a window pool whose class says window - 1: the token computed is not counted
(srt/models/*.py, get_attention_sliding_window_size)."""

WINDOW_AS_PUBLISHED = names(
    "deepseek_v4 granite_swa granitemoe_swa iquest_q1 laguna llama4 mimo_v2 mimo_v2_flash step3p5 "
    "step3p7 unlimited_ocr unlimited_ocr_text"
)
"""Models with a window pool whose class says nothing: the config's window, or Llama 4's chunk
(srt/model_executor/model_runner_components/load_model_utils.py, resolve_sliding_window_size)."""

WINDOW_POOLS = WINDOW_LESS_ONE | WINDOW_AS_PUBLISHED
"""Who gets a window pool (srt/configs/model_config.py, is_hybrid_swa_model; the configurations with
`is_hybrid_swa`), beside those that a release lets opt in. Every layer of all others is stored in
full."""

PROMPT_STAYS = names("unlimited_ocr unlimited_ocr_text")
"""Their prompts stay in the window pool while they generate (srt/models/unlimited_ocr.py,
is_prefill_aware_swa)."""

OWN_RATIO = {"deepseek_v4": 0.1}
"""Their own swa_full_tokens_ratio (srt/arg_groups/model_overrides/deepseek_v4.py)."""

OWN_FORMATS = dict.fromkeys(names("muse_spark muse_spark_text"), "fp8_e4m3")
"""The element type that they take where none is set (srt/arg_groups/overrides.py)."""

SINKS = names("hy_v4")
"""Sparse attention with sinks, which are read beside rows of bfloat16 alone (overrides.py,
_dsa_kv_cache_dtype_default; configs/hy_v4.py)."""

DEEPSEEK_FAMILY = names(
    "deepseek_v3 deepseek_v32 dots3_note dots3_note_text glm5_next glm5_next_text glm_moe_dsa "
    "hy_v4 kimi_k2 kimi_k25 longcat_flash mistral4"
)
"""Latent attention that takes trtllm_mla on Blackwell (model_overrides/deepseek_v2.py)."""

SPARSE_INDEX = names("minimax_m3 minimax_m3_vl minimax_m3_vl_text")
"""Keys of an indexer beside K and V, in pages of 128 (model_overrides/minimax_m3.py)."""


class StateRules(NamedTuple):
    """How a class of recurrent models stores states.

    `radix` says that the radix cache has states; `extra_buffer` that it can do so beside the
    overlap schedule. `own_dtype` says that the config names the state's element type.
    """

    radix: bool = True
    extra_buffer: bool = True
    own_dtype: bool = True


_HYBRID = StateRules()
_FLOAT32 = StateRules(own_dtype=False)
_NO_BUFFER = StateRules(extra_buffer=False)
_NO_RADIX_CACHE = StateRules(radix=False, extra_buffer=False, own_dtype=False)

RECURRENT = {
    **dict.fromkeys(
        names(
            "falcon_h1 minicpmv4_6 minicpmv4_7 nemotron_h nemotron_h_omni qwen3_5 qwen3_5_moe "
            "qwen3_5_moe_text qwen3_5_text qwen3_next qwen4_exp"
        ),
        _HYBRID,
    ),
    **dict.fromkeys(
        names("bailing_hybrid glm5_next granitemoehybrid kimi_k3 kimi_linear"),
        _FLOAT32,
    ),
    **dict.fromkeys(names("jet_nemotron lfm2 lfm2_moe"), _NO_BUFFER),
    **dict.fromkeys(names("falcon_mamba lfm2_vl mamba mamba2"), _NO_RADIX_CACHE),
}
"""Recurrent models that SGLang has a class for (srt/configs/hybrid_arch.py, mamba_utils.py;
_MAMBA_RADIX_CACHE_ARCHS and _MAMBA_EXTRA_BUFFER_ARCHS in srt/arg_groups/overrides.py)."""

ACCEPTED_BACKENDS = {
    **dict.fromkeys(names("exaone4 exaone4_5 exaone_moe"), names("fa3 triton trtllm_mha")),
    **dict.fromkeys(
        names("llama4 llama4_text"),
        names("fa3 aiter triton ascend trtllm_mha intel_xpu"),
    ),
    **dict.fromkeys(
        names("gemma4 gemma4_text gemma4_unified gemma4_unified_text"),
        names("trtllm_mha triton fa4 ascend intel_xpu intel_amx aiter"),
    ),
    "iquest_q1": names("fa3"),
}
"""Attention backends without which they do not start (srt/arg_groups/model_hook.py)."""

BLACKWELL_BACKENDS = {
    **dict.fromkeys(names("mimo_v2 mimo_v2_flash"), "fa4"),
    **dict.fromkeys(names("granitemoehybrid lfm2 lfm2_moe"), "flashinfer"),
    **dict.fromkeys(names("falcon_h1 jet_nemotron minicpmv4_6 minicpmv4_7"), "triton"),
    "iquest_q1": "fa3",
    "kimi_k3": "trtllm_mla",
    **dict.fromkeys(SPARSE_INDEX, None),
}
"""What they take on SM100 where others take trtllm_mha, trtllm_mla or fa4
(srt/arg_groups/model_overrides/*.py; model_override_base.py, get_default_attn_backend)."""

PAGED_WITH_BUFFER = names("qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen3_next qwen4_exp")
"""On SM100 they take trtllm_mha in pages of 64, or triton in pages of 1 where the radix cache has
states without an extra buffer (model_overrides/qwen3_5.py)."""

KINDS = (
    "full_attention",
    "sliding_attention",
    "chunked_attention",
    "latent_attention",
    "compressed_attention",
    "mamba",
    "mamba2",
    "gated_delta_net",
    "kimi_delta_attention",
    "lightning_attention",
    "short_convolution",
    "ngram_embedding",
    "shared_cache",
    "no_cache",
    "combined",
)
"""The kinds of layers that have a pool, or a place in one."""


class Traits(NamedTuple):
    """Latent rows; an indexer beside them; DeepSeek V4's rows; states; keys unlike values.

    `pooled` is an indexer whose keys stand for several tokens.
    """

    latent: bool
    sparse: bool
    compressed: bool
    recurrent: bool
    asymmetric: bool
    pooled: bool


def traits_of(model: Model) -> Traits:
    """Look at a model's layers.

    Raises:
        UnsupportedError: a kind of layer that no pool of SGLang's holds, or kinds that none mixes.
    """
    for cache, _ in model.caches:
        if cache.kind not in KINDS:
            raise UnsupportedError(
                f"sglang does not support {cache.kind} layers", what=f"{cache.kind} layers"
            )
    latent, plain = model.caches_of(LatentAttention), model.caches_of(Attention)
    compressed = "compressed_attention" in model.kinds
    recurrent = bool(model.caches_of(Recurrent))
    if bool(latent) + bool(plain) + compressed > 1 or (compressed and recurrent):
        raise UnsupportedError(
            f"sglang has no pools for {model.name}: it mixes kinds of attention", what=model.name
        )
    if recurrent and model.model_type not in (None, *RECURRENT):
        raise UnsupportedError(
            f"sglang has no recurrent states for the model type {quote(model.model_type)}",
            what=f"model type {model.model_type}",
        )
    return Traits(
        latent=bool(latent),
        sparse=any(cache.sparse for cache in latent),
        compressed=compressed,
        recurrent=recurrent,
        asymmetric=any(cache.head_dim != cache.value_dim for cache in plain),
        pooled=any(cache.index_pool for cache in latent)
        or any(cache.index_pool for cache in model.caches_of(FullAttention)),
    )
