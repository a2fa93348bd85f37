"""What vLLM's process takes of the GPU outside of PyTorch: NCCL, kernels, all-reduce buffers.

A table of what logs printed, by release, GPU and ranks; where no log has the case, an estimate
between those that are known. The logs stand in tests/oracles/vllm_memory.json.
"""

from collections.abc import Mapping
from typing import NamedTuple

from kvcalc.engines.memory_part import Kind, PartRule, not_modelled
from kvcalc.engines.vllm.budget import states
from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.engines.vllm.rules import Charged

HOPPER, BLACKWELL, AMPERE, OTHERS = "Hopper", "Blackwell", "A100", "other GPUs"
CARDS = {"9.0": HOPPER, "10.0": BLACKWELL, "10.3": BLACKWELL, "8.0": AMPERE}
"""GPUs by their compute capability; the others are consumers', or made for inference."""

STAGES = 0
"""Stands for one rank of each of several pipeline stages."""

WIDE = 4096
"""Elements of a hidden state that a row is of, where buffers grow with them."""

PLANNER = "logs of jgchn/llm-d-planner on H100"


class Band(NamedTuple):
    """Hundredths of a GiB: the likely, the least and the most; and the logs they are of.

    `wide` is added for each 4,096 elements of a hidden state past the first 4,096, which the
    buffers of all-reduces grow with.
    """

    likely: int
    low: int
    high: int
    source: str
    kind: Kind = "table"
    wide: int = 0


BEFORE_FUSION: Mapping[tuple[str, int], Band] = {
    (HOPPER, 1): Band(13, 8, 18, f"0.11.0 to 0.17.0, {PLANNER}"),
    (HOPPER, 2): Band(55, 45, 145, f"0.11.0, {PLANNER}; 0.10.2 on H200"),
    (HOPPER, 4): Band(184, 55, 200, "0.10.2 on 4 H100", "estimate"),
}
FUSED: Mapping[tuple[str, int], Band] = {
    (HOPPER, 1): Band(13, 8, 18, f"0.17.0, {PLANNER}"),
    (HOPPER, 2): Band(207, 197, 217, f"0.19.0, {PLANNER}", wide=3),
    (HOPPER, 4): Band(213, 203, 223, f"0.19.0, {PLANNER}", wide=8),
}
GRAPHS_PROFILED: Mapping[tuple[str, int], Band] = {
    **FUSED,
    (HOPPER, 1): Band(25, 20, 30, f"0.18.0 and 0.19.0, {PLANNER}"),
}
ALL_CONSUMED: Mapping[tuple[str, int], Band] = {
    (HOPPER, 1): Band(20, 12, 41, "0.27.1 to 0.31.0 on other GPUs, 0.19.0 on H100", "estimate"),
    (HOPPER, 2): Band(207, 50, 230, f"0.19.0, {PLANNER}", "estimate", wide=3),
    (HOPPER, 4): Band(213, 50, 240, f"0.19.0, {PLANNER}", "estimate", wide=8),
    (OTHERS, 1): Band(14, 0, 50, "0.27.1 and 0.28.0 on GPUs of 24 GB", "estimate"),
    (AMPERE, 1): Band(13, 8, 41, "0.31.0 on A100", "estimate"),
}
BY_RELEASE: Mapping[Charged, Mapping[tuple[str, int], Band]] = {
    "before fusion": BEFORE_FUSION,
    "fused": FUSED,
    "graphs profiled": GRAPHS_PROFILED,
    "all consumed": ALL_CONSUMED,
}
"""By GPU and ranks, where releases differ."""

ALWAYS: Mapping[tuple[str, int], Band] = {
    (HOPPER, STAGES): Band(7, 2, 17, f"0.19.0, {PLANNER}, 2 and 4 stages"),
    (HOPPER, 8): Band(140, 20, 260, "one log of 0.29.0 on 8 H200; else as 4 ranks", "estimate"),
    (BLACKWELL, 1): Band(7, 2, 45, "0.10.0 on B200; 0.27.1 on other GPUs", "estimate"),
    (BLACKWELL, 2): Band(95, 20, 260, "0.26.0 on 4 B200", "estimate"),
    (BLACKWELL, 4): Band(95, 20, 260, "0.26.0 on 4 B200", "estimate"),
    (BLACKWELL, 8): Band(95, 20, 260, "0.26.0 on 4 B200", "estimate"),
    (AMPERE, 1): Band(13, 3, 30, "0.31.0 on A100", "estimate"),
    (AMPERE, 2): Band(90, 5, 200, "no log; between those of other GPUs", "estimate"),
    (AMPERE, 4): Band(90, 5, 200, "no log; between those of other GPUs", "estimate"),
    (AMPERE, 8): Band(90, 5, 200, "no log; between those of other GPUs", "estimate"),
    (OTHERS, 1): Band(9, 0, 20, "0.10.0 to 0.24.0 on GPUs of 16 to 48 GB", "estimate"),
    (OTHERS, 2): Band(20, 4, 70, "0.10.2 to 0.27.1 on 4 GPUs of 24 to 96 GB", "estimate"),
    (OTHERS, 4): Band(20, 4, 70, "0.10.2 to 0.27.1 on 4 GPUs of 24 to 96 GB", "estimate"),
}
"""By GPU and ranks, where no release is known to differ."""

WIDER: Mapping[tuple[str, int], int] = {
    ("granite", 1): 21,
    ("granite", 2): 7,
    ("granite", 4): 5,
}
"""Hundredths of a GiB more of a model type, by ranks: 9 logs of 0.19.0 agree, and none tells why.
The same text model behind a tower for images does not have them."""


def non_torch(profile: Profile) -> PartRule:
    """Look up what is outside of PyTorch.

    Raises:
        UnsupportedError: no log tells of that many ranks on such a GPU.
    """
    card = CARDS.get(profile.capability, OTHERS)
    ranks = profile.ranks
    staged = profile.settings.pipeline_parallel_size > 1
    key = card, STAGES if staged and ranks == 1 else ranks
    row = BY_RELEASE[profile.rules.charged].get(key) or ALWAYS.get(key)
    if row is None:
        raise not_modelled("vllm", f"a process of {ranks} ranks on {card}, outside of PyTorch,")
    wider = WIDER.get((profile.model.model_type or "", ranks), 0) if card == HOPPER else 0
    beyond = row.wide * (profile.sizes.hidden_size - WIDE)
    likely, low, high = (
        ((hundredths + wider) * WIDE + beyond) * 2**30 // (100 * WIDE)
        for hundredths in (row.likely, row.low, row.high)
    )
    name, kind, source = "outside of PyTorch", row.kind, row.source
    if states.width(profile):
        likely, high = likely + states.OUTSIDE, high + states.OUTSIDE_OVER
        kind, source = "estimate", f"{source}; one of a gated delta net, 0.27.1"
    return PartRule(name, likely, max(0, low), high, kind, source)
