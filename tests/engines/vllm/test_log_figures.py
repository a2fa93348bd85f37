"""What vLLM 0.33.0's log and its start-up check print of a pool, to the last digit."""

import re
from collections.abc import Mapping
from typing import Any

from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.pool import pool_of
from kvcalc.engines.vllm.settings import VllmSettings
from tests.each import each
from tests.engines.vllm.measured import LOG, Case, log_model

Figures = Mapping[str, Any]


def planned_pool(asked: Case, printed: Case) -> Figures:
    """The figures of the pool that the case started with."""
    planned = plan(
        log_model(asked["model"]),
        VllmSettings(
            tensor_parallel_size=asked["tp"],
            pipeline_parallel_size=asked["pp"],
            decode_context_parallel_size=asked["dcp"],
            kv_cache_dtype=asked["kv_dtype"],
            max_num_batched_tokens=asked["max_num_batched_tokens"],
            async_scheduling=asked["async_scheduling"],
            disable_hybrid_kv_cache_manager=not asked["hybrid_manager"],
            block_size=asked["block_size_asked"],
            attention_backend=asked["backend"],
            mamba_cache_mode=asked.get("mamba_cache_mode", "align"),
        ),
    )
    memory, context = asked["memory_bytes"], asked["max_model_len"]
    if "num_gpu_blocks_override" in asked:
        override = asked["num_gpu_blocks_override"]
        memory = tuple(override * page for page in planned.bytes_per_block)
    found = pool_of(planned, memory, context).figures
    assert found["blocks_per_request"] == printed["blocks_per_request"]
    if "max_model_len" not in printed:
        return found
    # --max-model-len auto: the longest request that fits, with which all else is worked out.
    assert found["estimated_max_model_len"] == printed["max_model_len"]
    return pool_of(planned, memory, printed["max_model_len"]).figures


def named(case: Mapping[str, Case]) -> str:
    return str(case["settings"]["model"])


@each("case", LOG["cases"], ids=named)
def test_the_log_and_the_start_up_check(case: Mapping[str, Case]) -> None:
    printed = case["results"]
    found = planned_pool(case["settings"], printed)
    assert found["block_size"] == printed["block_size"]
    assert list(found["rank_bytes_per_block"]) == printed["rank_bytes_per_block"]
    assert found["fits"] == ("log" in printed)
    if found["fits"]:
        meet_the_log(found, printed)
    else:
        meet_the_error(found, printed)


def meet_the_log(found: Figures, printed: Case) -> None:
    assert found["num_gpu_blocks"] == printed["num_blocks"]
    assert found["capacity_tokens"] == printed["kv_cache_size_tokens"]
    assert found["max_concurrency"] == printed["max_concurrency"]
    assert f"{found['capacity_tokens']:,}" in printed["log"]
    assert f"{found['max_concurrency']:.2f}x" in printed["log"]


def meet_the_error(found: Figures, printed: Case) -> None:
    assert list(found["rank_needed_bytes"]) == printed["rank_needed_bytes"]
    assert list(found["rank_available_bytes"]) == printed["rank_checked_against_bytes"]
    assert list(found["rank_estimated_max_model_len"]) == printed["estimated_max_model_len"]
    sizes = re.findall(r"\(([\d.]+) GiB", printed["error"])
    assert [str(found[name]) for name in ("needed_gib", "available_gib")][: len(sizes)] == sizes
    for length in re.findall(r"length is (\d+)", printed["error"]):
        assert int(length) in found["rank_estimated_max_model_len"]
