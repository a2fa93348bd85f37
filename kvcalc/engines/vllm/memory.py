"""What vLLM gives its cache of a GPU's memory, by release."""

from kvcalc.engines.memory import ALL_ROUNDED_UP, Memory, whole_blocks
from kvcalc.engines.vllm.pool import pool
from kvcalc.engines.vllm.releases import RELEASES

NULL_BLOCKS = 1
"""The null block is never handed out (v1/core/block_pool.py)."""

RULE = "memory_share"
"""The rule of its releases that is the share."""

MEMORY = Memory(
    source="vLLM {version}, config/cache.py, v1/worker/gpu_worker.py",
    reserve_source="vLLM measures activations and graphs when it starts "
    "(v1/worker/gpu_worker.py) and no figure of them is published; give what its log shows",
    share="gpu_memory_utilization",
    of=ALL_ROUNDED_UP,
    default=RELEASES.at(None).rules[RULE].value,
    rule=RULE,
    usable=whole_blocks(pool, NULL_BLOCKS),
    held_back_blocks=NULL_BLOCKS,
)
