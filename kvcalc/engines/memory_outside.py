"""What a server's process takes of a GPU outside of its tensors: contexts and communicators.

It is gone before an engine asks how much is free. Logs show it between what a framework sees of the
GPU and their first free memory, and in what loading takes beyond the weights' bytes.
"""

from collections.abc import Mapping

from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import MemoryPart

NVIDIA, OTHERS = "NVIDIA", "others"

ONE_RANK = "SGLang's logs of Qwen3 on RTX 4090, on cards of 48 GB and on MI355X"
RANKS = "0.19.0 of vLLM on 2 and 4 H100; SGLang's logs of GLM-5 and Kimi-K2.5 on 8 MI355X"

OUTSIDE: Mapping[tuple[str, bool], tuple[int, int, int, str]] = {
    (NVIDIA, False): (50, 20, 100, ONE_RANK),
    (NVIDIA, True): (165, 30, 260, RANKS),
    (OTHERS, False): (90, 20, 120, ONE_RANK),
    (OTHERS, True): (250, 30, 670, RANKS),
}
"""Hundredths of a GiB, the likely, the least and the most, by the GPU's maker and by whether ranks
share a model."""


def outside(card: Card, ranks: int) -> MemoryPart:
    """Estimate it for one of so many ranks."""
    from kvcalc.catalogue.gpus import find, names

    known = card.name not in names() or find(card.name).compute_capability is not None
    *hundredths, source = OUTSIDE[NVIDIA if known else OTHERS, ranks > 1]
    likely, low, high = (2**30 * int(each) // 100 for each in hundredths)
    return MemoryPart("outside of PyTorch", likely, low, high, "estimate", source)
