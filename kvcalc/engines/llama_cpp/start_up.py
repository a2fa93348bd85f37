"""What a context of llama.cpp takes of a device beside its weights and its cells: its graph.

src/llama-context.cpp reserves a buffer for the graph of a micro-batch (sched_reserve). As long as
every token of it had its logits there, and flash attention kept no scores, these and one row of
hidden states are its peak, to the byte in 14 logs of four models on CUDA, Metal, Vulkan and the
CPU. Since llama-server asks for the logits of a slot's last token alone, other tensors are.
"""

import re
from typing import NamedTuple

from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.memory import Card, Free, Open
from kvcalc.engines.memory_part import MemoryPart, PartRule
from kvcalc.formula.expression import maximum, minimum
from kvcalc.layers.attention import Attention
from kvcalc.model import Model
from kvcalc.parameters.stored import Stored

UBATCH = "ubatch_size"
"""The setting that the buffer follows."""

NAME, ELEMENT = "compute buffer", 4

LOGS = "src/llama-context.cpp (sched_reserve); 14 logs up to mid-2026"
NEWER = (
    "src/llama-context.cpp (sched_reserve); logs of Qwen3-4B, Llama-3.1-8B, Qwen3.5-9B and others"
)

HOST_LOGS = "src/llama-graph.cpp (build_attn_inp_kv); 9 logs of 9 to 368 MiB"

LEAST_OF_TEN, MOST_OF_ALL = 10, 2
"""The least and the most that logs have of what all logits would take: a tenth (32 MiB of
Qwen3-0.6B, gpustack/gguf-parser-go#45), and twice as much (808 MiB of Qwen3.5-9B at 262,144
tokens)."""

MOST_OF_PARTS = 3
"""The same where layers or experts stay in main memory: up to 2.7 times what it is without
(gpustack/gguf-parser-go#45), for a device then holds copies of their tensors."""

SCORES = 6 * 2**30
"""The most that a log has where attention is latent, or its scores are kept: 5.6 GiB."""

EMBEDDING, INNER = "token_embd.weight", re.compile(r"ffn_(up|gate)(_exps)?\.weight$")
INNER_TENSORS = 3
"""Tensors of an MLP that live at once: its gate, what it lets through, and their product."""


HOST_NAME = "compute buffer in main memory"
MASK, HALF_MASK, MASKS, ROWS = 4, 2, 2, 2
"""Bytes of a cell in the mask, as float32 and, with flash attention, as float16; the most masks,
of full and of sliding layers, and the most rows of hidden states that logs have beside them."""


class Widths(NamedTuple):
    """Elements of a token's logits, of its hidden state and within an MLP."""

    vocabulary: int
    hidden: int
    inner: int


def parts(
    model: Model, settings: LlamaCppSettings, card: Card, free: Free
) -> tuple[tuple[MemoryPart, ...], ...]:
    """The compute buffer of a device; nothing where the vocabulary is not known."""
    found = graph(model, settings, free.stored)
    return ((found,) if found else (),)


def rules(
    model: Model,
    settings: LlamaCppSettings,
    card: Card,
    left_open: Open,
    stored: tuple[Stored, ...],
) -> tuple[tuple[PartRule, ...], ...]:
    """The same as arithmetic over what is left open."""
    found = _graph(model, settings, stored, left_open)
    return ((found,) if found else (),)


def graph(
    model: Model, settings: LlamaCppSettings, stored: tuple[Stored, ...]
) -> MemoryPart | None:
    """The compute buffer of a device; None where the vocabulary is not known."""
    found = _graph(model, settings, stored, {})
    return None if found is None else found.at({})


def _graph(
    model: Model, settings: LlamaCppSettings, stored: tuple[Stored, ...], left_open: Open
) -> PartRule | None:
    found = widths(model, stored)
    if found is None:
        return None
    tokens = minimum(left_open.get(UBATCH, settings.ubatch_size), _most_tokens(model, settings))
    size = tokens * (found.vocabulary + found.hidden) * ELEMENT
    plain = all(isinstance(cache, Attention) for cache, _ in model.caches)
    scoreless = plain and bool(settings.own("flash_attn"))
    widest = found.vocabulary > INNER_TENSORS * found.inner + found.hidden
    one_device = len(settings.tensor_split or (1,)) == 1
    whole = is_whole(model, settings)
    if scoreless and widest and one_device and whole and settings.rules.all_logits:
        return PartRule(NAME, size, size, size, "exact", LOGS)
    most = maximum((MOST_OF_ALL if whole else MOST_OF_PARTS) * size, 0 if scoreless else SCORES)
    return PartRule(NAME, size, size // LEAST_OF_TEN, most, "estimate", NEWER)


def is_whole(model: Model, settings: LlamaCppSettings) -> bool:
    """Whether devices hold all layers, with their experts and their cells."""
    layers = settings.n_gpu_layers
    whole = layers is None or layers > len(model.layers)
    left = settings.n_cpu_moe or settings.overrides or not settings.offload_kqv
    return whole and not left


def host_buffer(
    model: Model, settings: LlamaCppSettings, cells: int, stored: tuple[Stored, ...]
) -> MemoryPart | None:
    """The compute buffer beside a device's: what goes in, and the mask of a stream's `cells`.

    None where the hidden size is not known.
    """
    found = widths(model, stored)
    if found is None:
        return None
    tokens = min(settings.ubatch_size, _most_tokens(model, settings))
    row, mask = tokens * found.hidden * ELEMENT, tokens * cells
    likely = mask * (HALF_MASK if settings.own("flash_attn") else MASK) + row
    most = MASKS * mask * MASK + ROWS * row + 2**20
    return MemoryPart(HOST_NAME, likely, mask * HALF_MASK + row, most, "estimate", HOST_LOGS)


def _most_tokens(model: Model, settings: LlamaCppSettings) -> int:
    return min(settings.batch_size, model.max_context or 2**40)


def widths(model: Model, stored: tuple[Stored, ...]) -> Widths | None:
    """Tell the widths of a model or of its file; None where neither has them.

    Of experts the inner one is their widths together that one token goes through.
    """
    if (sizes := model.sizes) is not None:
        mix = sizes.experts
        routed = mix.num_experts_per_tok * mix.moe_intermediate_size if mix else 0
        return Widths(
            sizes.vocab_size, sizes.hidden_size, max(sizes.intermediate_size or 0, routed)
        )
    rows = {tensor.name: tensor.elements // tensor.row for tensor in stored}
    embedding = next((tensor for tensor in stored if tensor.name == EMBEDDING), None)
    if embedding is None:
        return None
    inner = max((rows[name] for name in rows if INNER.search(name)), default=0)
    return Widths(rows[EMBEDDING], embedding.row, inner)
