"""The lines in which vLLM names the blocks of its pool, and the sequences that they bound.

Read in vLLM 0.33.0 (v1/core/kv_cache_planning.py, config/compilation.py, v1/metrics/loggers.py),
and as older versions had them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from kvcalc.engines.log import (
    AGREES,
    COUNT,
    NO_MODEL,
    Checked,
    Found,
    Printed,
    Remedy,
    number,
    pattern,
)
from kvcalc.engines.vllm.log.remedies import Failed, most_needed
from kvcalc.engines.vllm.log.run import GIB_PLACES, NO_CONTEXT, NO_MEMORY, Run

PATTERNS = (
    pattern(
        "mamba blocks",
        "available Mamba cache blocks",
        rf"max_num_seqs \((?P<sequences>{COUNT})\) exceeds available Mamba cache blocks "
        rf"\((?P<blocks>{COUNT})\)",
    ),
    # As vllm-project/vllm#10517 has it: posted without the # that its line begins with.
    pattern("blocks", "GPU blocks:", rf"(?:# |^)GPU blocks: (?P<blocks>{COUNT})"),
    pattern(
        "blocks",
        "to fit Mamba cache blocks",
        rf"to fit Mamba cache blocks \((?P<blocks>{COUNT}) blocks available\)",
    ),
    pattern(
        "override",
        "num_gpu_blocks_override",
        # Of 0 blocks: the least cache, of which a start profiles its graphs (0.18 and newer).
        rf"Overriding num_gpu_blocks=(?!0 )(?P<blocks>{COUNT}) with "
        rf"num_gpu_blocks_override=(?P<override>{COUNT})",
    ),
    pattern("blocks", "cache_config_info{", rf'num_gpu_blocks="(?P<blocks>{COUNT})"'),
    pattern(
        "blocks",
        "cache_config_info with",
        rf"Engine [0-9]{{1,6}}: vllm cache_config_info with initialization after "
        rf"num_gpu_blocks is: (?P<blocks>{COUNT})",
    ),
)


def _blocks(run: Run, line: Found) -> Iterator[Checked]:
    """Blocks that the memory gives; where it is not printed, those that one request takes."""
    text = line.values["blocks"]
    printed = Printed(line.line, "blocks (blocks)", text)
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    blocks = run.blocks_in_memory(run.pool)
    if blocks is not None:
        why = f"{run.named(run.memory)} / {run.pool.block:,} B a block"
        ours = number(text) if number(text) in blocks else blocks[-1]
        yield printed.against(ours, why)
    elif line.kind in ("blocks", "mamba blocks"):
        yield printed.cannot(NO_MEMORY)
    elif run.context is None:
        yield printed.cannot(NO_CONTEXT)
    else:
        why = f"blocks of one request of {run.context:,} tokens"
        yield printed.against(run.pool.request(run.context), why)


def _mamba_blocks(run: Run, line: Found) -> Iterator[Checked]:
    """The error of more sequences than there are blocks for their states."""
    most = f"num_gpu_blocks; it starts with --max-num-seqs {line.values['blocks']}"
    for row in _blocks(run, line):
        yield replace(row, why=f"{row.why}; {most}", remedies=_fewer(run, row))


def _fewer(run: Run, row: Checked) -> tuple[Remedy, ...]:
    """What starts instead, where our blocks are the log's and the memory is printed."""
    if row.verdict != AGREES or run.memory is None or run.context is None:
        return ()
    memory = Printed(0, "", run.memory, GIB_PLACES)
    return Failed(run, memory, run.context, most_needed).remedies()


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "blocks": _blocks,
    "mamba blocks": _mamba_blocks,
    "override": _blocks,
}
"""How each kind of line is checked."""
