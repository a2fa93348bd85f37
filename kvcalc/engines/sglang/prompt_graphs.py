"""What SGLang keeps back for graphs of prompts, where it captures them by itself.

SGLang 0.5.23: srt/arg_groups/cuda_graph_hook.py, srt/arg_groups/memory_hook.py
(reserve_for_graph_mb), srt/model_executor/cuda_graph_config.py (default_prefill_backend).
"""

from kvcalc.engines.engine import names
from kvcalc.engines.memory import Card
from kvcalc.engines.sglang.images import tower_of
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model

SIZES: tuple[int, ...] = (
    *range(4, 33, 4),
    *range(48, 257, 16),
    *range(288, 513, 32),
    *range(576, 1025, 64),
    *range(1280, 4097, 256),
)
"""Tokens of the prompts that are captured; beyond, each 512 more."""

STEP = 512

A_SIZE, OF_LATENT = 8, 1536
"""MiB for each size, and of latent attention in all."""

WITH_IMAGES = names("kimi_k25 qwen3_5 qwen3_5_moe")
"""Model types with a tower whose prompts are captured all the same (srt/configs/model_config.py,
multimodal_breakable_cuda_graph_supported_model_archs)."""

NOT_CAPTURED = frozenset({"compressed_attention", "kimi_delta_attention"})
"""Kinds of layers whose prompts are not (disable_breakable_cudagraph_if_incompatible)."""

DEEPSEEK_V3 = names("deepseek_v3 kimi_k2")
"""Model types of DeepseekV3ForCausalLM, which on SM100 runs prompts by trtllm_mla, uncaptured
(disable_prefill_cuda_graph_for_deepseek_trtllm_mla)."""


def prompt_graphs(model: Model | None, card: Card, chunk: int) -> int:
    """MiB that are kept back, for prompts of so many tokens at most."""
    if model is not None and _is_uncaptured(model, card):
        return 0
    if model is not None and model.caches_of(LatentAttention):
        return OF_LATENT
    sizes: int = sum(size <= chunk for size in SIZES) + max(0, chunk - SIZES[-1]) // STEP
    return A_SIZE * sizes


def _is_uncaptured(model: Model, card: Card) -> bool:
    if model.kinds & NOT_CAPTURED:
        return True
    if tower_of(model) is not None and model.model_type not in WITH_IMAGES:
        return True
    return model.model_type in DEEPSEEK_V3 and _is_sm100(card)


def _is_sm100(card: Card) -> bool:
    from kvcalc.catalogue import gpus

    known = card.name in gpus.names()
    return known and (gpus.find(card.name).compute_capability or "").startswith("10.")
