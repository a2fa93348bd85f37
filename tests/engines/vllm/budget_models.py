"""Models, and sums of parts, that tests of what a start takes share."""

from collections.abc import Sequence
from typing import Any

from kvcalc.engines.memory_part import MemoryPart
from kvcalc.layers.attention import FullAttention
from kvcalc.model import Model
from kvcalc.parameters.sizes import Experts, Sizes
from tests.engines.vllm.memory_rows import GIB

ROUNDED = "rounding of weights"
"""What the log's weights are with, and what ours are without."""

PEAK = ("activations", "sampler", "experts' workspace")


def size(found: Sequence[MemoryPart], *names: str) -> float:
    return sum(part.bytes for part in found if not names or part.name in names) / GIB


def sizes(**given: Any) -> Sizes:
    return Sizes(**{"hidden_size": 4096, "vocab_size": 128_256, **given})


def mixture(experts: int, taken: int, width: int, shared: int | None = None) -> Experts:
    return Experts(
        num_experts=experts,
        num_experts_per_tok=taken,
        moe_intermediate_size=width,
        shared_expert_intermediate_size=shared,
    )


GQA = FullAttention(query_heads=32, kv_heads=8, head_dim=128)
MIXTRAL = sizes(vocab_size=32_000, experts=mixture(8, 2, 14_336))


def text(name: str, **given: Any) -> Model:
    return Model(name=name, layers=(GQA,) * 32, sizes=sizes(**given))


LLAMA_8B = text("llama-3.1-8b", intermediate_size=14_336)
