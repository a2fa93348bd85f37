"""Which tower a multimodal model has, and the keys that tell its sizes.

Source: transformers 5.24.0, models/<type>/configuration_<type>.py.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

from kvcalc.errors import SourceError, quote
from kvcalc.parameters.tower_sizes import Tower, TowerKind
from kvcalc.readers.huggingface.families import vision_defaults
from kvcalc.readers.huggingface.keys import Keys


class Vision(NamedTuple):
    """A tower's kind, and the keys of its sizes, by the fields of `Tower`.

    A key with a dot stands in a table of that name; of a list the length counts, of several keys
    the product. Where one of the keys of `unless` is set, the rule does not hold. A model that may
    hold any tower has `kinds`, by the tower's own model type, and `flags` are keys of what is there
    or not, each with what it is where the file says nothing.
    """

    kind: TowerKind
    keys: Mapping[str, tuple[str, ...]]
    projector: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    kinds: Mapping[str, TowerKind] = {}
    flags: Mapping[str, tuple[str, bool]] = {}
    fixed: Mapping[str, Any] = {}


USUAL = {
    name: (name,)
    for name in ("hidden_size", "num_hidden_layers", "intermediate_size", "patch_size")
}
SQUARE = {**USUAL, "num_channels": ("num_channels",), "image_size": ("image_size",)}
MERGED = {
    "num_hidden_layers": ("depth",),
    "patch_size": ("patch_size",),
    "num_channels": ("in_channels",),
    "temporal_patch_size": ("temporal_patch_size",),
    "merge_size": ("spatial_merge_size",),
}

QWEN3_VL = Vision(
    "qwen3_vl",
    {
        **USUAL,
        **MERGED,
        "positions": ("num_position_embeddings",),
        "out_hidden_size": ("out_hidden_size",),
        "deepstack": ("deepstack_visual_indexes",),
    },
)

GLM4V = Vision(
    "glm4v",
    {
        **MERGED,
        "image_size": ("image_size",),
        "hidden_size": ("hidden_size",),
        "intermediate_size": ("out_hidden_size",),
        "out_hidden_size": ("out_hidden_size",),
    },
    ("intermediate_size",),
    unless=("attention_bias",),
)

LLAVA = Vision(
    "clip",
    SQUARE,
    kinds={"clip_vision_model": "clip", "siglip_vision_model": "siglip"},
    flags={
        "projector_bias": ("multimodal_projector_bias", True),
        "pooling_head": ("vision_use_head", True),
    },
)

VISION: Mapping[str, Vision] = {
    "llava": LLAVA,
    "llava_next": LLAVA._replace(fixed={"newline": True}),
    "qwen2_vl": Vision(
        "qwen2_vl",
        {
            **MERGED,
            "hidden_size": ("embed_dim",),
            "intermediate_size": ("embed_dim", "mlp_ratio"),
            "out_hidden_size": ("hidden_size",),
        },
    ),
    "qwen2_5_vl": Vision(
        "qwen2_5_vl",
        {
            **MERGED,
            "hidden_size": ("hidden_size",),
            "intermediate_size": ("intermediate_size",),
            "out_hidden_size": ("out_hidden_size",),
        },
    ),
    "qwen3_vl": QWEN3_VL,
    "qwen3_vl_moe": QWEN3_VL,
    "qwen3_5": QWEN3_VL,
    "qwen3_5_moe": QWEN3_VL,
    "gemma3": Vision("gemma3", SQUARE, unless=("vision_use_head",)),
    "gemma4": Vision(
        "gemma4", {**USUAL, "positions": ("position_embedding_size",), "head_dim": ("head_dim",)}
    ),
    "glm4v": GLM4V,
    "glm4v_moe": GLM4V,
    "glm46v": GLM4V,
    "llama4": Vision(
        "llama4", SQUARE, ("projector_input_dim", "projector_output_dim", "vision_output_dim")
    ),
    "kimi_k25": Vision(
        "kimi_k25",
        {
            "hidden_size": ("vt_hidden_size",),
            "num_hidden_layers": ("vt_num_hidden_layers",),
            "intermediate_size": ("vt_intermediate_size",),
            "patch_size": ("patch_size",),
            "merge_size": ("merge_kernel_size",),
            "positions": ("init_pos_emb_height", "init_pos_emb_width"),
        },
    ),
    "minimax_m3_vl": Vision(
        "minimax_m3_vl",
        {
            **USUAL,
            "temporal_patch_size": ("img_token_compression_config.temporal_patch_size",),
            "merge_size": ("img_token_compression_config.spatial_merge_size",),
        },
        ("projector_hidden_size",),
    ),
    "mistral3": Vision(
        "pixtral",
        {**SQUARE, "merge_size": ("spatial_merge_size",)},
        unless=("multimodal_projector_bias",),
    ),
    "step3p7": Vision("step3p7", SQUARE),
}
"""The towers by model type; a type that holds a language model and has no row has no rule."""


def tower_of(file: Mapping[str, Any], kind: Vision) -> Tower | None:
    """Read a tower's sizes from a whole config.json; None where it lacks one of them.

    Raises:
        SourceError: a key is missing or something else.
    """
    told = file.get("vision_config") or {}
    defaults = vision_defaults(file.get("model_type"))
    if not isinstance(told, dict):
        raise SourceError(f"vision_config: found {quote(told)}, expected a table")
    named, made = kind.kind, defaults
    if kind.kinds and told:  # another tower has other defaults
        found = kind.kinds.get(str(told.get("model_type")))
        if found is None:
            return None
        named, made = found, {"num_channels": 3}
    table = {**file, **made, **told}
    fields: dict[str, Any] = {
        field: prod(_number(table, key) for key in keys) for field, keys in kind.keys.items()
    }
    projector = tuple(_number(table, key) for key in kind.projector)
    if any(map(table.get, kind.unless)) or not all(
        (*projector, *(fields[field] for field in fields if field != "deepstack"))
    ):
        return None
    fields |= {
        field: Keys(table, {}, {key: own}).flag(key) for field, (key, own) in kind.flags.items()
    }
    if isinstance(layers := file.get("vision_feature_layer"), list) and kind.kinds:
        fields["features"] = len(layers)
    return Tower(kind=named, **fields, **kind.fixed, projector=projector)


def _number(table: Mapping[str, Any], key: str) -> int:
    outer, _, inner = key.rpartition(".")
    value = (table.get(outer) or {}).get(inner) if outer else table.get(key)
    if isinstance(value, list):
        return len(value)
    return value if type(value) is int else 0
