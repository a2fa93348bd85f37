"""vLLM's start-up lines, and the rules that check them: a file per subject."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from kvcalc.engines.log import CANNOT, DIFFERS, Checked, EngineLog, Found, Subject, ruled
from kvcalc.engines.vllm.log import blocks, budget, config, gauges, layout, memory, refused, tokens
from kvcalc.engines.vllm.log.run import Run

HOST_POOL = "HiSparse keeps rows in main memory, too, and kvcalc does not count its pools"


def check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """Hold each figure against what vLLM's rules give for the model."""
    host_pools = any(line.kind == "host pool" for line in found)
    logged = {} if "speculative_method" in subject.given else subject.settings
    run = Run(found, subject, HOST_POOL if host_pools else config.uncounted(logged))
    without_model = Run(found, replace(subject, model=None))
    reshaped = config.reshaped(run.overridden)
    for row in ruled(found, RULES, run, without_model, subject.given):
        if reshaped is not None and row.verdict == DIFFERS:
            yield replace(row, ours=None, verdict=CANNOT, why=reshaped)
        else:
            yield row


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    **tokens.RULES,
    **refused.RULES,
    **blocks.RULES,
    **layout.RULES,
    **memory.RULES,
    **budget.RULES,
    **gauges.RULES,
}
"""How each kind of line is checked."""


LOG = EngineLog(
    patterns=(
        *(*blocks.PATTERNS, *tokens.PATTERNS, *memory.PATTERNS, *layout.PATTERNS),
        *(*config.PATTERNS, *refused.PATTERNS, *budget.PATTERNS),
        *gauges.PATTERNS,
    ),
    check=check,
    spellings=config.SPELLINGS,
    beside=frozenset(
        (
            *("num_gpu_blocks_override", "kv_cache_memory_bytes"),
            *("gpu_memory_utilization", "quantization"),
        )
    ),
    configured=config.CONFIGURED,
    values=config.VALUES,
    said=config.SAID,
)
