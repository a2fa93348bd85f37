"""Generate readers/huggingface/families.json from transformers' configuration classes.

Run with transformers installed: `python tests/generate_families.py`. For each model type whose
class describes a language model it records the names the class gives to keys, the defaults of the
keys that the reader reads, and the layers' pattern where the class has one of its own; for a model
that holds a language model, whether its class ties the embedding. A default
that follows from another key (head_dim from hidden_size) is not a default and is left out: the
class is asked again with that other key changed.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transformers
import transformers.models.auto.modeling_auto as modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

from kvcalc.readers.huggingface.parameters.vision import VISION

OUTPUT = Path(__file__).parents[1] / "kvcalc/readers/huggingface/families.json"

# fmt: off
READ = (
    "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size",
    "head_dim", "v_head_dim", "sliding_window", "sliding_window_size", "use_sliding_window",
    "max_window_layers", "attention_chunk_size", "max_position_embeddings", "kv_lora_rank",
    "qk_rope_head_dim", "index_head_dim", "multi_query", "new_decoder_architecture",
    "num_kv_heads", "n_head_kv", "num_kv_shared_layers", "global_head_dim",
    "num_global_key_value_heads", "swa_num_attention_heads", "swa_num_key_value_heads",
    "swa_head_dim", "swa_v_head_dim", "linear_conv_kernel_dim", "linear_num_key_heads",
    "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim",
    "linear_num_heads", "linear_head_dim", "short_conv_kernel_size", "conv_kernel",
    "conv_kernel_size", "mamba_d_conv", "state_size", "mamba_d_state", "ssm_state_size",
    "mamba_num_heads", "mamba_n_heads", "n_mamba_heads", "mamba_head_dim", "mamba_d_head",
    "mamba_headdim", "mamba_n_groups", "mamba_ngroups", "n_groups", "mamba_expand", "expand",
    "mamba_d_ssm", "mamba_ssm_cache_dtype", "mamba_ssm_dtype", "conv_L_cache", "num_heads",
    "decoder_layers", "decoder_attention_heads", "n_layer", "n_layers", "num_layers", "n_head",
    "n_heads", "d_model", "n_embd", "num_decoder_layers", "attention_heads", "d_kv",
    "attention_head_dim", "kv_channels", "compress_rates", "full_attn_alpha_factor",
    "is_encoder_decoder", "embedding_dim", "qk_nope_head_dim", "cca_time0", "cca_time1",
    "n_recurrent_loops", "n_input_layers", "n_recurrent_layers", "loop_num_passes",
    "loop_layer_index_start", "loop_layer_index_end", "num_nextn_predict_layers",
    "n_positions", "number_of_conv_states", "index_kpool", "ple_conv_kernel_size", "ngram_size",
)

WEIGHTS = (
    "vocab_size", "tie_word_embeddings", "intermediate_size", "moe_intermediate_size",
    "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts",
    "num_experts_per_tok", "experts_per_token", "num_experts_per_token",
    "top_k_experts", "moe_k", "moe_topk", "moe_top_k",
    "n_shared_experts", "num_shared_experts", "moe_num_shared_experts",
    "num_shared_expert", "shared_expert_intermediate_size", "shared_intermediate_size",
    "moe_shared_expert_intermediate_size", "share_expert_dim", "dense_intermediate_size",
    "intermediate_size_mlp", "first_k_dense_replace", "moe_layer_freq", "mlp_only_layers",
    "decoder_sparse_step", "interleave_moe_layer_step", "num_dense_layers", "mlp_layer_types",
    "moe_latent_size", "attention_bias", "mlp_bias", "use_bias", "qkv_bias", "use_qkv_bias",
    "use_qk_norm", "attn_output_gate", "q_lora_rank", "index_n_heads", "use_conv_bias",
    "mamba_conv_bias", "attention_k_eq_v", "enable_moe_block", "hc_mult", "o_groups",
    "o_lora_rank", "num_hash_layers", "ffn_dim", "n_inner", "ffn_hidden_size",
    "add_swa_attention_sink_bias", "add_full_attention_sink_bias", "hidden_size_per_layer_input",
    "use_double_wide_mlp", "sparse_attention_config", "moe_layer_start_index",
    "moe_layer_end_index", "moe_layer_interval", "use_gated_mlp", "use_post_norm", "bias",
    "expert_layer_period", "expert_layer_offset", "prefix_dense_intermediate_size",
    "qk_layernorm",
)
# fmt: on

LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")

CHANGES = {
    "hidden_size": 2,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
}
PROBED_LAYERS = (97, 61)


def text_config(name: str, **changed: Any) -> Any:
    return CONFIG_MAPPING[name](**changed).get_text_config(decoder=True)


def facts(config: Any) -> dict[str, Any]:
    table = config.to_dict()
    return {key: table[key] for key in (*READ, *WEIGHTS) if table.get(key) is not None}


def derived(name: str, config: Any, before: dict[str, Any]) -> set[str]:
    """Keys that follow another key."""
    found = set()
    table = config.to_dict()
    for key, factor in CHANGES.items():
        own = config.attribute_map.get(key, key)
        if not isinstance(table.get(own), int):
            continue
        try:
            after = facts(text_config(name, **{own: table[own] * factor}))
        except Exception:  # a class may refuse what does not divide
            continue
        found |= {k for k in before if k not in (key, own) and after.get(k) != before[k]}
    return found


def pattern(name: str, config: Any) -> list[str] | None:
    """The layers' pattern that the class makes by itself, if it repeats."""
    own = config.attribute_map.get("num_hidden_layers", "num_hidden_layers")
    lists = []
    for layers in PROBED_LAYERS:
        try:
            types = getattr(text_config(name, **{own: layers}), "layer_types", None)
        except Exception:
            return None
        if not isinstance(types, list) or len(types) != layers:
            return None
        lists.append(types)
    for period in range(1, 25):
        first = lists[0][:period]
        if all(t == first[i % period] for types in lists for i, t in enumerate(types)):
            return first
    return None


def slides_if_asked(name: str, own: list[str]) -> bool:
    """Whether the class makes layers slide once the file gives a window."""
    if set(own) != {"full_attention"}:
        return False
    try:
        asked = text_config(name, sliding_window=64, use_sliding_window=True)
    except Exception:
        return False
    return set(asked.layer_types) != {"full_attention"}


def per_type(config: Any) -> dict[str, Any] | None:
    """What the class overrides for the layers of a type, where it does so for all of the type."""
    overrides = config.to_dict().get("per_layer_config")
    types = getattr(config, "layer_types", None)
    if not isinstance(overrides, dict) or not isinstance(types, list):
        return None
    found: dict[str, Any] = {}
    for place, kind in enumerate(types):
        own = next((dict(v) for k, v in overrides.items() if int(k) == place), {})
        if found.setdefault(kind, own) != own:
            return None
    return {kind: own for kind, own in found.items() if own}


def around(name: str, text: str) -> dict[str, Any]:
    """The row of a model that holds a language model of a type."""
    outer = CONFIG_MAPPING[name]()
    row: dict[str, Any] = {"text": text, "tied": bool(getattr(outer, "tie_word_embeddings", False))}
    tower = getattr(outer, "vision_config", None)
    if name in VISION and tower is not None:
        row["vision"] = vision(name, {**outer.to_dict(), **tower.to_dict()})
    return row


def vision(name: str, table: dict[str, Any]) -> dict[str, Any]:
    """The defaults of the keys that tell a tower's sizes."""
    row = VISION[name]
    read = {key for keys in (*row.keys.values(), row.projector, row.unless) for key in keys}
    return {key: value for key, value in table.items() if key in read and value is not None}


def leading_dense(config: Any) -> int:
    """How many of the first layers are dense in the list that the class makes; 0 without one."""
    kinds = getattr(config, "mlp_layer_types", None) or []
    dense = kinds.count("dense")
    return dense if kinds == ["dense"] * dense + ["sparse"] * (len(kinds) - dense) else 0


CODE: dict[str, dict[str, Any]] = {
    "inkling2_loop_text": {"number_of_conv_states": 4},
    "inkling2_text": {"number_of_conv_states": 4},
    "dots3_note_text": {"index_dtype": "float32"},
    "longcat_flash": {"attentions_a_block": 2},
    "xlstm": {"layer_pattern": ["mlstm"]},
}
"""What only the modelling code knows (transformers, models/<type>/modeling_<type>.py)."""


TASKS = (
    "CAUSAL_LM",
    "IMAGE_TEXT_TO_TEXT",
    "MULTIMODAL_LM",
    "SEQ_TO_SEQ_CAUSAL_LM",
    "SPEECH_SEQ_2_SEQ",
)
"""The tasks whose models are or hold a language model."""


def language_types() -> set[str]:
    """The model types of language models, and of the models that hold one."""
    found: set[str] = set()
    for task in TASKS:
        found |= set(getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES"))
    for name in list(found):
        try:
            found.add(text_config(name).model_type)
        except Exception:
            continue
    return found


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in sorted(language_types() & set(CONFIG_MAPPING_NAMES)):
        try:
            config = text_config(name)
        except Exception:
            continue
        if config.model_type != name:
            yield name, around(name, config.model_type)
            continue
        known = facts(config)
        if not set(LAYERS) & set(known) and not hasattr(config, "layer_types"):
            continue
        known = {k: v for k, v in known.items() if k not in derived(name, config, known)}
        own = pattern(name, config)
        types = getattr(config, "layer_types", None)
        if own and not slides_if_asked(name, own):
            known["layer_pattern"] = own
        elif isinstance(types, list) and set(types) != {"full_attention"}:
            known["layer_types"] = types
        if "shared" in (getattr(config, "indexer_types", None) or ()):
            known["indexer_types"] = config.indexer_types
        if dense := leading_dense(config):
            known.setdefault("first_k_dense_replace", dense)
            known.pop("mlp_layer_types", None)
        if of_types := per_type(config):
            known["type_config"] = of_types
        known |= CODE.get(name, {})
        read = (*READ, *WEIGHTS, "layer_types")
        names = {k: v for k, v in config.attribute_map.items() if k in read}
        yield name, {"names": names, "defaults": known}


def generated() -> str:
    logging.disable()
    table = {
        "source": f"transformers {transformers.__version__}",
        "rows": dict(rows()),
        "without_language_model": sorted(set(CONFIG_MAPPING_NAMES) - language_types()),
    }
    return json.dumps(table, indent=0, sort_keys=True) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(generated())
