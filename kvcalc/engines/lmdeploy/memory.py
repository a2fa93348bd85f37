"""What LMDeploy gives its cache of a GPU's memory (0.18.0)."""

from fractions import Fraction

from kvcalc.engines.lmdeploy.pool import pool
from kvcalc.engines.lmdeploy.start_up import batch, parts
from kvcalc.engines.memory import FREE, Memory, whole_blocks

HELD_BACK = 1
"""A block is never handed out (config_builder.py)."""

MEMORY = Memory(
    source="LMDeploy {version}, messages.py, pytorch/engine/executor/base.py",
    reserve_source="what LMDeploy keeps back for logits (pytorch/engine/executor/base.py) is left "
    "out",
    share="cache_max_entry_count",
    of=FREE,
    default=Fraction("0.8"),
    usable=whole_blocks(pool, HELD_BACK),
    held_back_blocks=HELD_BACK,
    parts=parts,
    cap=batch,
    levers={"max_prefill_token_num": 2_048, "max_batch_size": 128},
)
