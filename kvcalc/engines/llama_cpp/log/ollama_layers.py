"""What Ollama keeps of a layer: its own engine, and what it reckons before it starts.

Read in Ollama 0.9.0 to 0.20.0: kvcache/causal.go (Init), fs/ggml/ggml.go (GraphSize),
model/models/gemma3/model.go and gptoss/model.go.
"""

from collections.abc import Mapping
from typing import Any

from kvcalc.engines.log import number
from kvcalc.layers.layer import Layer
from kvcalc.model import Model

PAD = 256
"""Tokens that Ollama's engine rounds a cache to at most (ml/backend/ggml/ggml.go, CachePadding:
256, in older ones 32 without flash attention)."""

WINDOWED = {"gemma3", "gemma3_text"}
"""Model types of whose sliding layers Ollama keeps a window of each sequence."""

KEPT = {"gpt_oss": 4096}
"""Model types of whose sliding layers it keeps more, and the tokens of each sequence."""


def cells_of(model: Model, layer: Layer, request: Mapping[str, str], *, newer: bool) -> int | None:
    """Tokens that a layer of Ollama's own engine holds; None where that is not known.

    One that keeps fewer than a sequence has holds a batch on top; from 0.12.4 on, one that keeps
    as many as that has no batch, and windows of several sequences a token more of each.
    """
    total, parallel = number(request["tokens"]), number(request["parallel"])
    if layer.kind == "full_attention":
        return total
    kept = kept_of(model, layer)
    if kept is None or (parallel > 1 and model.model_type in WINDOWED):
        return None
    capacity = total // max(parallel, 1)
    if kept > capacity or (newer and kept == capacity):
        return total
    return parallel * kept + number(request["batch"])


def kept_of(model: Model, layer: Layer) -> int | None:
    """Tokens of a sequence that a layer keeps; None for all."""
    if layer.kind != "sliding_attention":
        return None
    window = layer.attention_window if model.model_type in WINDOWED else None
    return KEPT.get(model.model_type or "", window)


def row_of(layer: Layer) -> tuple[int, int] | None:
    """Elements of a row of K and of V; of latents as a file with MLA's sizes has them.

    None for what has no such row: states, or nothing.
    """
    facts: dict[str, Any] = dict(layer)
    if "kv_lora_rank" in facts:
        return facts["kv_lora_rank"] + facts["qk_rope_head_dim"], facts["kv_lora_rank"]
    if "attention" not in layer.kind or "kv_heads" not in facts:
        return None
    heads, head = facts["kv_heads"], facts["head_dim"]
    return heads * head, heads * (facts["v_head_dim"] or head)
