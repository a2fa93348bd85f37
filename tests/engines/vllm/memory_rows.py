"""Public start-ups of vLLM and what they printed, as kvcalc's models and settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvcalc.engines.memory import Card
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.recurrent import GatedDeltaNet
from kvcalc.model import Model
from kvcalc.parameters.quantization import Quantization
from kvcalc.parameters.sizes import Experts, Sizes
from kvcalc.parameters.tower_sizes import Tower
from kvcalc.readers import load

GIB = 2**30
ORACLE = json.loads((Path(__file__).parents[2] / "oracles" / "vllm_memory.json").read_text())
Row = Mapping[str, Any]

ROWS: list[Row] = [dict(zip(ORACLE["columns"], row, strict=True)) for row in ORACLE["rows"]]

SIZED = [name for name, facts in ORACLE["models"].items() if "Hq" in facts]
"""Models whose sizes are known."""

TYPES = {
    "GraniteForCausalLM": "granite",
    "LlamaForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "Qwen3NextForCausalLM": "qwen3_next",
}

GPUS = {
    "H100": "h100",
    "H200": "h200",
    "B200": "b200",
    "B300": "b300",
    "GB10": "gb10",
    "MI300X": "mi300x",
    "RTX PRO 6000": "rtx-pro-6000",
    "RTX 5090": "rtx-5090",
    "RTX 4090": "rtx-4090",
    "RTX 3090": "rtx-3090",
    "L4 ": "l4",
    "48 GB": "l40s",
    "24 GB Turing": "t4",
    "24 GB": "rtx-4090",
    "16 GB": "rtx-5080",
    "80 GB": "h100",
    "84 GB": "rtx-pro-6000",
}
"""GPUs by how their owners' names begin; one that is not named is of the generation that its
memory and settings agree with."""

STATE = GatedDeltaNet(key_heads=16, value_heads=32, key_dim=128, value_dim=128, kernel=4)
TOWER = Tower(
    kind="qwen2_vl", hidden_size=1280, num_hidden_layers=32, intermediate_size=5120, patch_size=14
)
"""Stand for any layer with a state, and for any tower for images, which are not modelled."""

QUANTISED = {
    "fp8": Quantization(method="fp8", format="fp8_tensor"),
    "fp8-dynamic": Quantization(method="compressed-tensors", format="fp8_channel"),
    "w8a8": Quantization(method="compressed-tensors"),
    "w4a16": Quantization(method="compressed-tensors", format="int4", group_size=128),
    "nvfp4": Quantization(method="modelopt", format="nvfp4", group_size=16),
}


def gpu_of(row: Row) -> str:
    return next(name for begins, name in GPUS.items() if row["gpu"].startswith(begins))


def family_of(row: Row) -> str:
    return str(ORACLE["models"].get(row["model"], {}).get("family") or "")


PRESETS = {"llama-4-scout": "llama-4-scout", "mistral-small-24b": "mistral-small-3.1-24b"}
"""Presets of models with a tower whose start and weights logs agree with."""


def is_text(row: Row) -> bool:
    """Whether the model is known, and has neither a tower nor states."""
    facts = ORACLE["models"].get(row["model"])
    return facts is not None and not facts.get("mm") and not facts.get("hybrid")


def model_of(row: Row) -> Model:
    facts = ORACLE["models"][row["model"]]
    if row["model"] in PRESETS:
        quantised = {"quantization": QUANTISED.get(row["quantization"])}
        return load(PRESETS[row["model"]]).model_copy(update=quantised)
    experts = None
    if "E" in facts:
        experts = Experts(
            num_experts=facts["E"],
            num_experts_per_tok=facts["k"],
            moe_intermediate_size=facts["Im"],
            shared_expert_intermediate_size=facts.get("sh"),
        )
    attention = FullAttention(query_heads=facts["Hq"], kv_heads=facts["Hkv"], head_dim=facts["d"])
    kept = STATE if "hybrid" in facts else attention
    return Model(
        name=row["model"],
        layers=(kept, *(attention,) * (facts["L"] - 1)),
        dtype=row["dtype"],
        model_type=TYPES.get(facts["arch"]),
        quantization=QUANTISED.get(row["quantization"]),
        max_context=facts["pos"],
        sizes=Sizes(
            hidden_size=facts["h"],
            vocab_size=facts["V"],
            tie_word_embeddings=facts.get("tied", False),
            intermediate_size=None if experts else facts.get("I"),
            attention_bias="qkv" if facts.get("bias") else "",
            qk_norm="head" if facts.get("qknorm") else None,
            experts=experts,
            ropes=((facts["pos"], facts["d"]),),
            tower=TOWER if facts.get("mm") else None,
        ),
    )


def settings_of(row: Row, release: str | None = None) -> VllmSettings:
    own = "float32" if row["dtype"] == "float32" else None  # by --dtype, which is the cache's, too
    return VllmSettings(
        release=release or row["engine_version"],
        tensor_parallel_size=row["tp"],
        pipeline_parallel_size=row["pp"],
        max_num_seqs=row["max_num_seqs"],
        max_num_batched_tokens=row["max_num_batched_tokens"],
        enforce_eager=row["enforce_eager"],
        kv_cache_dtype=own if row["kv_dtype"] == "auto" else row["kv_dtype"],
        gpu=gpu_of(row),
    )


def card_of(row: Row) -> Card:
    total = int(row["total_gib"] * GIB)
    return Card(row["gpu"], total, total)


def stage_of(row: Row) -> int:
    """The place of the rank's stage; those between the ends are alike."""
    return 0 if row["first_stage"] else row["pp"] - 1 if row["last_stage"] else 1
