"""What LMDeploy gives its cache of a GPU's memory (0.18.0)."""

from fractions import Fraction

from kvcalc.engines.lmdeploy.pool import pool
from kvcalc.engines.memory import FREE, Memory, whole_blocks

HELD_BACK = 1
"""A block is never handed out (config_builder.py)."""

MEMORY = Memory(
    source="LMDeploy {version}, messages.py, pytorch/engine/executor/base.py",
    reserve_source="LMDeploy keeps back 2 bytes for each word of its vocabulary, times "
    "(max_prefill_token_num + 2 max_batch_size), and a model's shape does not say its "
    "vocabulary; give it",
    share="cache_max_entry_count",
    of=FREE,
    default=Fraction("0.8"),
    usable=whole_blocks(pool, HELD_BACK),
    held_back_blocks=HELD_BACK,
)
