"""Keys that describe layers but that no rule reads: an error names them, never a guess."""

import re
from collections.abc import Mapping
from typing import Any

from kvcalc.errors import SourceError, quote
from kvcalc.readers.huggingface.windows import KEYS

LISTS = {*KEYS, *(f"mtp_{key}" for key in KEYS)}
"""Lists of windows, which are read."""

DESCRIBES_LAYERS = re.compile(
    r"block_configs|linear_attn_config|sparse_attention_config|hybrid_.*|.*_pattern|per_layer_.*"
    r"|sparse_.*|.*_layer_types|.*_layer_ids|.*_layer_period|.*_layer_interval"
    r"|attn_layer_indices|full_attn_idxs|kv_source_layers|cross_attention_layers"
    r"|param_sink_number|block_types|attention_layers|(sliding_window|full_attention|swa)_layers"
    r"|interleaved_.*|local_(attention_)?window.*|attention_window.*|mamba_step|ssm_cfg"
    r"|attn_layer_idx|num_key_value_heads_per_layer|attn_type_list|attention_other_setting|global_attn_idx|kv_reuse_group|use_cla|cla_.*"
)

READ = {
    "block_configs",
    "linear_attn_config",
    "sparse_attention_config",
    "sparse_attention_freq",
    "hybrid_override_pattern",
    "hybrid_layer_pattern",
    "sliding_window_pattern",
    "per_layer_config",
    "attn_layer_period",
    "attn_layer_indices",
    "attn_type_list",
    "attention_other_setting",
    "cross_attention_layers",
    "full_attn_idxs",
    "kv_source_layers",
    "ple_layer_ids",
    "prefix_dense_sliding_window_pattern",
}
"""The keys that a rule reads."""

NO_CACHE = {
    "attention_layers",
    "attention_window_size",
    "interleaved_moe_layer_step",
    "activation_sparsity_pattern",
    "expert_layer_period",
    "hybrid_layer_ids",
    "mlp_layer_types",
    "mtp_layer_types",
    "mtp_mlp_layer_types",
    "no_rope_layer_interval",
    "moe_layer_interval",
    "mtp_hybrid_override_pattern",
    "sparse_prediction",
    "sparse_pred_ignore_index",
    "_sliding_window_pattern",
}
"""The keys that do not change the cache: experts, positions, sparsity of activations, drafts, or
what layer_types says too (transformers 5.24.0, configuration classes)."""


STATE = re.compile(r"(mamba|ssm|linear_num|rwkv|kda|gla|retention)_.*|state_size|conv_kernel")
"""Keys of recurrent layers."""


MAY_TOUCH = re.compile(
    r"(?:.*_)?(kvs?|caches?|windows?|states?|conv|index|indexer|latent|ple|ngram|recurrent|loops?"
    r"|sinks?|memory|mem)(_.*)?"
)
"""Keys whose names speak of what is kept."""

TOUCHES_NOTHING = {
    *("use_cache", "return_last_states", "recurrent_kv_cache_mode"),
    *("index_n_heads", "index_topk", "index_topk_blocks", "index_block_size", "index_kpool"),
    *("index_local_blocks", "index_share_for_mtp_iteration", "indexer_rope_interleave"),
    *("indexer_n_heads", "indexer_budget", "indexer_compress_ratio"),
    *("ngram_vocab_size_base", "heads_per_ngram", "split_ngram_parts", "ple_embed_dim"),
    *(
        "make_ngram_vocab_size_divisible_by",
        "latent_moe_use_norm",
        "moe_latent_size",
        "num_mem_blocks",
    ),
    *("use_conv_bias", "mamba_conv_bias", "mtp_hidden_states_first", "shared_expert_sink"),
    *("add_swa_attention_sink_bias", "add_full_attention_sink_bias", "sink_bias"),
    *("max_window_layers", "sliding_window", "sliding_window_size", "use_sliding_window"),
    *("moe_layer_start_index", "moe_layer_end_index", "ngram", "index_head_dim"),
    *("index_topk_freq", "index_skip_topk_offset", "keep_window_size", "kv_channels"),
    *("short_conv_kernel_size", "inference_state_dtype", "vision_start_token_index"),
    *("image_token_index", "video_token_index", "ignore_index", "audio_token_index"),
}
"""Those of them that change no cache: what an indexer chooses, tables of embeddings, biases, and
keys whose rule found nothing to do (transformers 5.24.0, the classes and their models)."""


def unread_notes(table: Mapping[str, Any], origins: Mapping[str, str]) -> tuple[str, ...]:
    """Name the keys that may touch the cache and that no rule read; `origins` are those read."""
    read = {origin.removeprefix("key ") for origin in origins.values()}
    known = read | READ | NO_CACHE | LISTS | TOUCHES_NOTHING
    found = [
        quote(key)
        for key, value in table.items()
        if value not in (None, False, 0, [], {}) and MAY_TOUCH.fullmatch(key) and key not in known
    ]
    some = ", ".join(found[:8]) + (" ..." if found[8:] else "")
    return (f"not understood, and may touch the cache: {some}",) if found else ()


def refuse_unused_state(table: Mapping[str, Any]) -> None:
    """Refuse a table of an unknown model type that mentions states, if no state was read.

    Raises:
        SourceError: there is a key of recurrent layers, but no rule made a recurrent layer.
    """
    for key, value in table.items():
        if value and isinstance(key, str) and STATE.fullmatch(key):
            raise SourceError(f"{quote(key)}: describes recurrent layers, and no rule reads it")


def refuse_unread(table: Mapping[str, Any]) -> None:
    """Refuse a table with such a key.

    Raises:
        SourceError: a key describes layers, and no rule reads it.
    """
    for key, value in table.items():
        if not value or key in READ or key in NO_CACHE:
            continue
        windows = isinstance(value, list) and "window" in str(key) and key not in LISTS
        if isinstance(key, str) and (windows or DESCRIBES_LAYERS.fullmatch(key)):
            raise SourceError(f"{quote(key)}: describes layers, and no rule reads it")
