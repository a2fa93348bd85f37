"""What a model type's class works out of a file's other keys, by the keys that the rules read.

Where it only fills a key in, that is a default, and stands with the others in families.json.
Source: transformers 5.24.0, the configuration and modeling files of each type.
"""

from collections.abc import Callable, Mapping
from typing import Any

from kvcalc.errors import SourceError
from kvcalc.readers.huggingface.keys import Keys

FULL, SLIDING, INDEXED = "full_attention", "sliding_attention", "indexed_attention"


def worked_out(keys: Keys) -> Mapping[str, Any]:
    """Give the keys that the model type's class works out, with their values.

    Raises:
        KvcalcError: a key that it needs is missing, or something else.
    """
    model_type = keys.table.get("model_type")
    rule = CLASSES.get(model_type) if isinstance(model_type, str) else None
    return rule(keys) if rule else {}


def _mimo_v2_flash(keys: Keys) -> Mapping[str, Any]:
    """Sliding layers have twice the heads; its sliding_window counts the token that is computed."""
    found: dict[str, Any] = {}
    if keys.table.get("sliding_window_size") is not None:
        found["sliding_window"] = keys.table["sliding_window_size"]
    elif keys.has("sliding_window"):
        found["sliding_window"] = keys.size("sliding_window") - 1
    if not keys.in_file("swa_num_key_value_heads"):
        found["swa_num_key_value_heads"] = 2 * keys.size("num_key_value_heads")
    return found


def _cohere2_moe(keys: Keys) -> Mapping[str, Any]:
    """The first, dense layers slide by a pattern of their own, and the others by theirs anew."""
    if keys.in_file("layer_types"):
        return {}
    layers, dense = keys.size("num_hidden_layers"), keys.count("first_k_dense_replace")
    if not dense <= layers <= MAX_LAYERS:
        raise SourceError(f"num_hidden_layers: found {layers}, expected {dense} to {MAX_LAYERS:,}")
    first = keys.get("prefix_dense_sliding_window_pattern", 1)
    rest = keys.get("sliding_window_pattern", 4)
    for name, period in (
        ("prefix_dense_sliding_window_pattern", first),
        ("sliding_window_pattern", rest),
    ):
        if type(period) is not int or period < 1:
            raise SourceError(f"{name}: expected a period in layers")

    def kinds(count: int, period: int) -> list[str]:
        return [SLIDING if (place + 1) % period else FULL for place in range(count)]

    return {"layer_types": kinds(dense, first) + kinds(layers - dense, rest)}


def _all_indexed(keys: Keys) -> Mapping[str, Any]:
    """Files written before the class name their indexed layers full ones."""
    listed = keys.table.get("layer_types")
    if not isinstance(listed, list):
        return {}
    return {"layer_types": [INDEXED if kind == FULL else kind for kind in listed]}


def _mistral_large4(keys: Keys) -> Mapping[str, Any]:
    """Each fourth layer, or each that the file says, has rows without a rotary part."""
    layers = keys.size("num_hidden_layers")
    every = keys.size("no_rope_layer_interval") if keys.in_file("no_rope_layer_interval") else 4
    if layers > MAX_LAYERS:
        raise SourceError(f"num_hidden_layers: found {layers}, expected at most {MAX_LAYERS:,}")
    rotary = keys.list_of("no_rope_layers", int) or [(place + 1) % every for place in range(layers)]
    if len(rotary) != layers:
        raise SourceError(f"no_rope_layers: found {len(rotary)}, expected {layers}")
    without = {str(place): {"qk_rope_head_dim": 0} for place, one in enumerate(rotary) if not one}
    return {"per_layer_config": without}


MAX_LAYERS = 100_000

CLASSES: dict[str, Callable[[Keys], Mapping[str, Any]]] = {
    "cohere2_moe": _cohere2_moe,
    "glm5_next": _all_indexed,
    "glm5_next_text": _all_indexed,
    "mimo_v2_flash": _mimo_v2_flash,
    "mistral_large4": _mistral_large4,
    "mistral_large4_text": _mistral_large4,
    "qwen4_exp": _all_indexed,
    "qwen4_exp_text": _all_indexed,
}
