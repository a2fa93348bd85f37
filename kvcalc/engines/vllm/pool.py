"""The pool that vLLM cuts a memory into, and the figures that its log and its check print.

vLLM, v1/core/kv_cache_planning.py and kv_cache_utils.py. One block, the null block, is held back
for good: the log's own figures count it, and so does the start-up check of some releases.
"""

from collections.abc import Callable, Mapping, Sequence

from kvcalc.costs import formula
from kvcalc.engines.vllm.plan import Plan, plan, variables
from kvcalc.engines.vllm.rules import Label, StartUp
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.start_up import start_up_check
from kvcalc.errors import RequestError
from kvcalc.model import Model
from kvcalc.pools import Pool


def pool(model: Model, settings: VllmSettings, memory: int | tuple[int, ...], context: int) -> Pool:
    """Cut up `memory`, bytes on a rank of each stage, for requests of `context` tokens.

    Raises:
        KvcalcError: as `cost`; or memories that are not one for each stage or rank.
    """
    return pool_of(plan(model, settings), memory, context)


def pool_of(planned: Plan, memory: int | tuple[int, ...], context: int) -> Pool:
    """Cut up `memory`, bytes on a rank of each stage, by a plan.

    Raises:
        KvcalcError: memories that are not one for each stage or rank.
    """
    model, settings = planned.model, planned.settings
    varying = variables(settings, planned.block_size, planned.scales)
    blocks = formula(model, planned.blocks_per_request, varying)
    memories = _memories(planned, memory)
    needed_blocks = blocks(context)
    num_blocks = min(
        size // page for size, page in zip(memories, planned.bytes_per_block, strict=True)
    )
    check = start_up_check(planned, memories, context)
    fits = check.short is None
    widest = planned.bytes_per_block.index(max(planned.bytes_per_block))
    named = widest if check.short is None else check.short
    needed, available = check.needed[named], check.available[named]
    label = LABELS[settings.rules.label](planned, num_blocks, needed_blocks, context)
    return Pool(
        model=model,
        engine="vllm",
        kv_cache_dtype=planned.cache_format,
        settings=settings.changed(),
        context=context,
        bytes=num_blocks * max(planned.bytes_per_block),
        capacity_tokens=label,
        max_sequences=max(0, num_blocks - 1) // needed_blocks,
        figures={
            "num_gpu_blocks": num_blocks,
            "max_num_seqs": num_blocks if planned.bounds_sequences else None,
            "block_size": planned.block_size,
            "bytes_per_block": max(planned.bytes_per_block),
            "blocks_per_request": needed_blocks,
            "max_concurrency": num_blocks / needed_blocks,
            "capacity_tokens": capacity_tokens(num_blocks, needed_blocks, context),
            "capacity_tokens_exact": num_blocks * context // needed_blocks,
            "label_tokens": label,
            "fits": fits,
            "startup_needs": needed,
            "needed_bytes": needed,
            "available_bytes": available,
            "needed_gib": round(needed / 2**30, 2),
            "available_gib": round(available / 2**30, 2),
            "estimated_max_model_len": min(check.longest, key=lambda length: length or 0),
            "rank_bytes_per_block": planned.bytes_per_block,
            "rank_needed_bytes": check.needed,
            "rank_available_bytes": check.available,
            "rank_estimated_max_model_len": check.longest,
        },
        note=_note(planned, num_blocks, needed_blocks, context) if fits else "",
    )


def _note(planned: Plan, blocks: int, needed: int, context: int) -> str:
    """Say what the start-up check lets in and what comes to nothing all the same."""
    settings = planned.settings
    asked = settings.sequences_at_once
    if blocks <= needed:
        return _never_finishes(planned, blocks, needed, context)
    if planned.bounds_sequences and asked > blocks:
        whose = "its own " if settings.max_num_seqs is None else ""
        return (
            f"vllm {settings.standing.version} does not start with {whose}max_num_seqs, "
            f"{asked:,}: beside recurrent layers it may be at most {blocks:,}, num_gpu_blocks"
        )
    return ""


def _never_finishes(planned: Plan, blocks: int, needed: int, context: int) -> str:
    """Say of a request that the start-up check lets in that the pool cannot hold it."""
    return (
        f"vllm {planned.settings.standing.version} starts, but a request of {context:,} tokens "
        f"never finishes: it needs {needed:,} blocks of {max(0, blocks - 1):,}, and the start-up "
        f"check adds up {COUNTED[planned.settings.rules.start_up]}"
    )


def _memories(planned: Plan, memory: int | tuple[int, ...]) -> Sequence[int]:
    """The least memory of a rank of each stage."""
    stages = len(planned.bytes_per_block)
    if isinstance(memory, int):
        return (memory,) * stages
    if len(memory) in (1, stages):
        return memory * (stages // len(memory))
    ranks = planned.settings.ranks_of_a_stage
    if len(memory) != stages * ranks:
        raise RequestError.about(
            "memory",
            f"found {len(memory)} figures",
            found=memory,
            expected=f"one, one for each of {stages} stages or one for each of "
            f"{stages * ranks} ranks",
        )
    return [min(memory[stage * ranks : (stage + 1) * ranks]) for stage in range(stages)]


COUNTED: Mapping[StartUp, str] = {
    "layers": "the layers, as if they shared no blocks",
    "first group": "the first group's blocks alone",
    "groups": "all groups' blocks, the null block among them",
}
"""What the start-up check lets pass, in words."""


def capacity_tokens(blocks: int, request: int, context: int) -> int:
    """Tokens that that many blocks hold, as the log has them from 0.20.1 on, by vLLM's own float.

    A request of `context` tokens takes `request` blocks.
    """
    return int(blocks / request * context)


def capacity_tokens_up_to_0_20(planned: Plan, blocks: int, context: int | None) -> int:
    """Tokens that that many blocks hold, as the log had them up to 0.20.0.

    The least block counts, that of states too, which is the context where one holds them all.
    """
    settings = planned.settings
    least = min(group.block or context or planned.block_size for group in planned.groups)
    shards = settings.decode_context_parallel_size * settings.prefill_context_parallel_size
    return blocks // len(planned.groups) * least * shards


LABELS: Mapping[Label, Callable[[Plan, int, int, int], int]] = {
    "groups": lambda planned, blocks, request, context: capacity_tokens_up_to_0_20(
        planned, blocks, context
    ),
    "concurrency": lambda planned, blocks, request, context: capacity_tokens(
        blocks, request, context
    ),
}
"""What "GPU KV cache size" counts, of a plan, the pool's blocks, a request's and its tokens."""
