"""What kvcalc says of a plan, by the names that the measured cases use."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from kvcalc.engines.vllm.caches import StateCache
from kvcalc.engines.vllm.cost import cost_of
from kvcalc.engines.vllm.plan import Plan, plan, stage_members
from kvcalc.engines.vllm.pool import pool_of
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import Value, substituted
from kvcalc.model import Model
from tests.engines.vllm.measured import Case

ASKED = {
    "model",
    "kind",
    "layers",
    "tp",
    "dcp",
    "pcp",
    "pp",
    "kv_dtype",
    "backend",
    "skip_backend",
    "gpu",
    "block_size_asked",
    "max_in_flight_tokens",
    "max_num_batched_tokens",
    "async_scheduling",
    "hybrid_manager",
    "max_model_len",
    "layout",
    "layout_asked",
    "layer_partition",
    "what_if",
    "index_dtype",
    "kv_dtype_skip_layers",
    "flash_attention_version",
    "max_encoder_tokens",
    "multi_module_mtp",
    "mamba_cache_mode",
    "mamba_ssm_cache_dtype",
    "prefill_checkpoint_blocks",
    "num_speculative_tokens",
    "num_prefill_lookahead_tokens",
    "decode_context_parallel_size",
    "pipeline_parallel_size",
    "max_num_encoder_input_tokens",
    "stage_decoder_layers",
    "whole_model_bytes_per_block",
    "refused_in_50GiB",
    "rank_memory",
}
"""What a case asks, and what it says of the stand-ins: all else is a figure to be met."""

MEMORY = 50 * 2**30
"""Bytes on a rank, where a case does not say."""

planned_anew = plan.__wrapped__
"""Plans, none of which is remembered: some cases are checked with a constant of the planner's
changed."""


def check(model: Model, case: Case, settings: Mapping[str, Any], *asked: str) -> None:
    """Meet every figure of a case, or refuse what was refused; `asked` are no figures either."""
    if "refused" in case or "error" in case:
        with pytest.raises(KvcalcError):
            planned_anew(model, VllmSettings(**settings))
        return
    planned = planned_anew(model, VllmSettings(**settings))
    pool, words = pooled(planned, case)
    found = planned_figures(planned, case["max_model_len"]) | pool
    expected = {name: case[name] for name in case.keys() - ASKED - {*asked}}
    assert {name: found[name] for name in expected} == expected
    if "refused_in_50GiB" in case:
        numbers = re.findall(r"\(([\d.]+) GiB|\w length is (\d+)", case["refused_in_50GiB"])
        printed = [float(gib or length) for gib, length in numbers]
        assert not pool["fits"]
        assert list(words)[: len(printed)] == printed


def planned_figures(planned: Plan, context: int) -> dict[str, Any]:
    """The groups of a plan and what one request takes, of one rank or of the fullest stage's."""
    cost = cost_of(planned)
    variables = {**cost.formula.variables, "context": context}

    def at(value: Value) -> int:
        figure = substituted(value, variables)
        assert isinstance(figure, int)
        return figure

    blocks = at(planned.blocks_per_request)
    requests = [size * blocks for size in planned.bytes_per_block]
    stages = stage_members(planned.groups, planned.stages)
    members = [[len(group) for group in stage] for stage in stages]
    whole = sum(requests) * planned.settings.ranks_of_a_stage
    assert cost(context) == whole
    assert cost(context, sequences=3) == 3 * whole
    return {
        "block_size": planned.block_size,
        "attention_block_size": planned.block_size,
        "group_layers": [len(group.members) for group in planned.groups],
        "group_kinds": [group.cache.kind for group in planned.groups],
        "group_block_sizes": [group.block or context for group in planned.groups],
        "group_bytes_per_block": [
            sum(cache.page for _, cache in group.members) for group in planned.groups
        ],
        "group_blocks_per_request": [at(group.blocks) for group in planned.groups],
        "blocks_per_request": blocks,
        "bytes_per_block": max(planned.bytes_per_block),
        "bytes_per_request": cost.per_gpu(context),
        "stage_layers": [sum(stage) for stage in members],
        "rank_cache_layers": [sum(stage) for stage in members],
        "stage_group_layers": members,
        "rank_group_layers": members,
        "stage_bytes_per_block": list(planned.bytes_per_block),
        "rank_bytes_per_block": list(planned.bytes_per_block),
        "stage_bytes_per_request": requests,
        "rank_bytes_per_request": requests,
        "fullest_stage": requests.index(max(requests)),
        "fullest_rank_bytes_per_request": max(requests),
    } | _state_figures(planned)


def _state_figures(planned: Plan) -> dict[str, int]:
    for group in planned.groups:
        if isinstance(group.cache, StateCache):
            state, page = group.cache.state, group.cache.page
            return {
                "state_bytes": state,
                "mamba_state_bytes": state,
                "mamba_page_bytes": page,
            }
    return {}


def pooled(planned: Plan, case: Case) -> tuple[dict[str, Any], tuple[float, ...]]:
    """The pool in the case's memory, and what its refusal prints where a request does not fit."""
    memory = tuple(case.get("rank_memory", (MEMORY,)))
    found = pool_of(planned, memory, case["max_model_len"]).figures
    blocks, pages = found["num_gpu_blocks"], found["rank_bytes_per_block"]
    sizes = memory * (len(pages) // len(memory))
    return {
        "num_blocks_in_50GiB": blocks,
        "num_blocks": blocks,
        "rank_allocated_bytes": [blocks * page for page in pages],
        "rank_blocks_alone": [size // page for size, page in zip(sizes, pages, strict=True)],
        "max_concurrency_in_50GiB": found["max_concurrency"],
        "max_concurrency": found["max_concurrency"],
        "capacity_tokens_in_50GiB": found["capacity_tokens"],
        "capacity_tokens": found["capacity_tokens"],
        "fits": found["fits"],
    }, (found["needed_gib"], found["available_gib"], found["estimated_max_model_len"])
