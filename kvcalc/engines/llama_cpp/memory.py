"""What llama.cpp gives its cells of a GPU's memory, and how it deals layers to several GPUs."""

from fractions import Fraction

from kvcalc.engines.llama_cpp.main_memory import filled_in_use, in_main_memory
from kvcalc.engines.llama_cpp.start_up import UBATCH, parts, rules
from kvcalc.engines.memory import Live, Memory, Spread

MOST_ON_A_LINE = 15
"""Devices that --tensor-split takes (common/arg.cpp): fewer than llama_max_devices(), 16."""

LAYERS = Spread(
    setting="tensor_split",
    words="layers split over",
    over=lambda cards: None if cards == 1 else (1.0,) * cards,
    cards=lambda split: len(split or (1,)),
    fullest=lambda split: max(map(Fraction, split or (1,))) / sum(map(Fraction, split or (1,))),
    most=MOST_ON_A_LINE,
)
"""Every card holds whole layers (--split-mode layer, src/llama-model.cpp, load_tensors)."""

MEMORY = Memory(
    source="all of the card: a context asks for the bytes of its cells, and has no share of the "
    "memory (llama.cpp, src/llama-kv-cache.cpp)",
    reserve_source="the graph's buffer (src/llama-context.cpp) is left out",
    spread=LAYERS,
    parts=parts,
    live=Live({UBATCH: lambda settings: settings.ubatch_size}, rules),
    in_main_memory=in_main_memory,
    filled_in_use=filled_in_use,
    levers={"ubatch_size": 128},
)
