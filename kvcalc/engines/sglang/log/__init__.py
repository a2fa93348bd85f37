"""SGLang's start-up lines, and the rules that check them: a file per subject."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from kvcalc.engines.log import Checked, EngineLog, Found, Subject, ruled
from kvcalc.engines.sglang.log import compressed, failed, gauges, host, memory, pools, states
from kvcalc.engines.sglang.log.run import ATTENTION_GROUPS, HOST, Run


def check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """Hold each figure against what SGLang's rules give for the model."""
    without_model = Run(found, replace(subject, model=None))
    yield from ruled(found, RULES, Run(found, subject), without_model, subject.given)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    **pools.RULES,
    **states.RULES,
    **compressed.RULES,
    **failed.RULES,
    **gauges.RULES,
    **host.RULES,
    **memory.RULES,
}
"""How each kind of line is checked."""


LOG = EngineLog(
    patterns=(
        *(*pools.PATTERNS, *states.PATTERNS),
        *(*compressed.PATTERNS, *failed.PATTERNS, *memory.PATTERNS),
        *(*gauges.PATTERNS, *host.PATTERNS),
    ),
    check=check,
    spellings={
        "tp": "tensor_parallel_size",
        "tp_size": "tensor_parallel_size",
        "kv_dtype": "kv_cache_dtype",
        "dp_attention": "attn_dp_size",
        "context_length": "context",
    },
    beside=frozenset((*ATTENTION_GROUPS, *HOST, "mem_fraction_static", "quantization")),
    configured=(
        *ATTENTION_GROUPS,
        *HOST,
        *(
            "mem_fraction_static",
            "quantization",
            "tp_size",
            "attn_dp_size",
            "page_size",
            "kv_cache_dtype",
            "swa_full_tokens_ratio",
        ),
        *("context_length", "mamba_ssm_dtype", "mamba_radix_cache_strategy", "max_total_tokens"),
        *("disable_radix_cache", "disable_overlap_schedule", "max_running_requests"),
        *("disaggregation_mode", "disaggregation_decode_extra_slots"),
        *("chunked_prefill_size", "mamba_full_memory_ratio", "max_mamba_cache_size"),
        *("speculative_num_draft_tokens", "speculative_num_steps", "speculative_eagle_topk"),
    ),
)
