"""What vLLM gives its cache of a GPU's memory, by release."""

from typing import TYPE_CHECKING

from kvcalc.engines.memory import ALL_ROUNDED_UP, Live, Memory, whole_blocks
from kvcalc.engines.vllm.budget import parts, rules
from kvcalc.engines.vllm.budget.profile import AT_ONCE, BATCH
from kvcalc.engines.vllm.pool import pool
from kvcalc.engines.vllm.releases import RELEASES

if TYPE_CHECKING:
    from kvcalc.engines.log_measured import FromLog

NULL_BLOCKS = 1
"""The null block is never handed out (v1/core/block_pool.py)."""

RULE = "memory_share"
"""The rule of its releases that is the share."""


def _from_log() -> "FromLog":
    """How its log is read for the parts, which is imported where one is given."""
    from kvcalc.engines.vllm.log.parts import FROM_LOG

    return FROM_LOG


MEMORY = Memory(
    source="vLLM {version}, config/cache.py, v1/worker/gpu_worker.py",
    reserve_source="what a start takes beside (v1/worker/gpu_worker.py) is left out",
    share="gpu_memory_utilization",
    of=ALL_ROUNDED_UP,
    default=RELEASES.at(None).rules[RULE].value,
    rule=RULE,
    usable=whole_blocks(pool, NULL_BLOCKS),
    held_back_blocks=NULL_BLOCKS,
    parts=lambda model, settings, card, _: parts(model, settings, card),
    live=Live(
        {BATCH: lambda settings: settings.batch, AT_ONCE: lambda own: own.sequences_at_once},
        lambda model, settings, card, left_open, _: rules(model, settings, card, left_open),
        at_once=AT_ONCE,
    ),
    pool_setting="kv_cache_memory_bytes",
    cap=lambda settings, _: settings.sequences_at_once,
    levers={"max_num_seqs": 256, "max_num_batched_tokens": 2_048, "enforce_eager": True},
    tested="0.31.0",
    from_log=_from_log,
)
