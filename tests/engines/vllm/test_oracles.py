"""What vLLM 0.33.0's own planning code gave for these models and settings, figure by figure."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.vllm.caches import StateCache
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.formula import Value, substituted
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from tests.engines.vllm import shapes

ORACLES = Path(__file__).parents[2] / "oracles"
Case = Mapping[str, Any]


def oracle(name: str) -> Any:
    return json.loads((ORACLES / f"{name}.json").read_text())


VLLM, RANDOM, RECURRENT, MORE, KINDS, LOG = map(
    oracle,
    (
        "vllm",
        "vllm_random",
        "vllm_recurrent",
        "vllm_more",
        "vllm_kinds",
        "vllm_log_figures",
    ),
)


def of(layers: Iterable[Layer], **facts: Any) -> Model:
    return Model(name="measured", layers=tuple(layers), **facts)


def figures(model: Model, context: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that a case may hold, of one rank, or of the fullest of several stages."""
    planned = plan(model, VllmSettings(**settings))
    cost = kvcalc.cost(model, engine="vllm", **settings)

    def at(value: Value) -> int:
        figure = substituted(value, {**cost.formula.variables, "context": context})
        assert isinstance(figure, int)
        return figure

    blocks = at(planned.blocks_per_request)
    members = planned.stage_members()
    requests = [size * blocks for size in planned.bytes_per_block]
    found: dict[str, Any] = {
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
        "stage_layers": [sum(map(len, stage)) for stage in members],
        "rank_cache_layers": [sum(map(len, stage)) for stage in members],
        "stage_group_layers": [[len(group) for group in stage] for stage in members],
        "rank_group_layers": [[len(group) for group in stage] for stage in members],
        "stage_bytes_per_block": list(planned.bytes_per_block),
        "rank_bytes_per_block": list(planned.bytes_per_block),
        "stage_bytes_per_request": requests,
        "rank_bytes_per_request": requests,
        "fullest_stage": requests.index(max(requests)),
        "fullest_rank_bytes_per_request": max(requests),
    }
    caches = [cache for group in planned.groups for _, cache in group.members]
    for state in [cache for cache in caches if isinstance(cache, StateCache)][:1]:
        found |= {
            "state_bytes": state.state,
            "mamba_state_bytes": state.state,
            "mamba_page_bytes": state.page,
        }
    assert cost(context) == sum(requests) * planned.settings.ranks_of_a_stage
    assert cost(context, sequences=3) == 3 * cost(context)
    return found


def pooled(model: Model, case: Case, settings: Mapping[str, Any]) -> dict[str, Any]:
    memory = case.get("rank_memory", [50 * 2**30])
    found = kvcalc.pool(
        model, "vllm", memory=memory, context=case["max_model_len"], **settings
    ).figures
    pages = found["rank_bytes_per_block"]
    return {
        "num_blocks_in_50GiB": found["num_gpu_blocks"],
        "num_blocks": found["num_gpu_blocks"],
        "rank_allocated_bytes": [found["num_gpu_blocks"] * page for page in pages],
        "rank_blocks_alone": [
            size // page
            for size, page in zip(memory * (len(pages) // len(memory)), pages, strict=True)
        ],
        "max_concurrency_in_50GiB": found["max_concurrency"],
        "max_concurrency": found["max_concurrency"],
        "capacity_tokens_in_50GiB": found["capacity_tokens"],
        "capacity_tokens": found["capacity_tokens"],
        "fits": found["fits"],
        "words": (found["needed_gib"], found["available_gib"], found["estimated_max_model_len"]),
    }


INPUTS = {
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


def check(model: Model, case: Case, settings: Mapping[str, Any], *inputs: str) -> None:
    """Meet every figure of a case, or refuse what was refused."""
    if "refused" in case or "error" in case:
        with pytest.raises(KvcalcError):
            kvcalc.cost(model, engine="vllm", **settings)
        return
    asked = INPUTS | set(inputs)
    found = figures(model, case["max_model_len"], settings) | pooled(model, case, settings)
    expected = {name: figure for name, figure in case.items() if name not in asked}
    assert {name: found[name] for name in expected} == expected
    if "refused_in_50GiB" in case:
        assert not found["fits"]
        numbers = re.findall(r"\(([\d.]+) GiB|\w length is (\d+)", case["refused_in_50GiB"])
        printed = [float(gib or length) for gib, length in numbers]
        assert [float(one) for one in found["words"]][: len(printed)] == printed


def common(case: Case) -> dict[str, Any]:
    return {
        "tensor_parallel_size": case["tp"],
        "kv_cache_dtype": case["kv_dtype"],
        "max_num_batched_tokens": case["max_in_flight_tokens"],
        "async_scheduling": False,
        "disable_hybrid_kv_cache_manager": not case["hybrid_manager"],
    }


def named(cases: Iterable[Case]) -> list[Any]:
    return [
        pytest.param(case, id=f"{place}-{case.get('kind', '')}-{case.get('model', '')}")
        for place, case in enumerate(cases)
    ]


@pytest.mark.parametrize("case", named([*VLLM["cases"], *RANDOM["cases"]]))
def test_plain_layers_and_random_mixes(case: Case) -> None:
    tables = VLLM["models"][case["model"]] if "model" in case else case["layers"]
    settings = {**common(case), "block_size": case["block_size"]}
    check(of(shapes.repeated(tables)), case, settings, "block_size")


@lru_cache
def recurrent_model(name: str) -> Model:
    table = RECURRENT["models"][name]
    layers = {
        "R": shapes.recurrent(table),
        "F": shapes.layer(
            {
                "kind": "full",
                "kv_heads": table["kv"],
                "key_dim": table["dim"],
                "value_dim": table["dim"],
            }
        ),
    }
    return of(layers[kind] for kind in table["types"])


@pytest.mark.parametrize("case", named(RECURRENT["cases"]))
def test_recurrent_layers(case: Case) -> None:
    settings = {
        **common({**case, "hybrid_manager": True}),
        "mamba_ssm_cache_dtype": RECURRENT["models"][case["model"]]["ssm"],
        "block_size": case["block_size_asked"],
        **{
            name: case[name]
            for name in ("mamba_cache_mode", "prefill_checkpoint_blocks", "num_speculative_tokens")
        },
    }
    check(recurrent_model(case["model"]), case, settings)


PASSED_ON = (
    "mamba_cache_mode",
    "mamba_ssm_cache_dtype",
    "prefill_checkpoint_blocks",
    "num_speculative_tokens",
    "num_prefill_lookahead_tokens",
    "decode_context_parallel_size",
    "pipeline_parallel_size",
    "max_num_encoder_input_tokens",
)


@lru_cache
def more_model(name: str) -> Model:
    facts = MORE["model_facts"][name]
    tables = MORE["models"][name]
    layers = shapes.in_order(tables, facts["order"])
    index = facts.get("index", range(len(layers)))
    count = max(*index, facts.get("main", 1) - 1) + 1
    return of(shapes.placed(layers, index, count))


@pytest.mark.parametrize(
    "case",
    named(
        case
        for case in [*MORE["cases"], *MORE["refused"]]
        if not case["model"].endswith("kept in bf16")
    ),
)
def test_further_models(case: Case) -> None:
    model = more_model(case["model"])
    stages = case.get("pipeline_parallel_size", 1)
    main = MORE["model_facts"][case["model"]].get("main", len(model.layers))
    settings = {
        **common(case),
        **{name: case[name] for name in PASSED_ON if name in case},
        "block_size": case["block_size"],
        "max_num_batched_tokens": case["max_in_flight_tokens"] // stages,
        "kv_cache_dtype_skip_layers": (),
        "pp_layer_partition": shapes.partition(main, stages, len(model.layers)),
    }
    if case["model"].startswith("sink layers"):
        assert set(case["group_kinds"]) == {"sink_full_attention"}
        case = {**case, "group_kinds": ["full_attention"]}
    check(model, case, settings, "block_size")


@lru_cache
def kinds_model(name: str) -> tuple[Model, int]:
    """A model with its draft's layers last, and how many there are."""
    table = KINDS["models"][name]
    sequence = [table["layers"][int(place)] for place in table["order"]]
    drafts = sum(bool(one.get("draft")) for one in sequence if one["kind"] != "indexer")
    return of(shapes.owning(sequence)), drafts


@pytest.mark.parametrize("case", named(KINDS["cases"]))
def test_further_kinds(case: Case) -> None:
    model, drafts = kinds_model(case["model"])
    stages = case.get("pp", 1)
    settings = {
        **common(case),
        "attention_backend": case["backend"],
        "block_size": case["block_size_asked"],
        "decode_context_parallel_size": case["dcp"],
        "prefill_context_parallel_size": case["pcp"],
        "kv_cache_dtype_skip_layers": case.get("kv_dtype_skip_layers", ()),
        "pipeline_parallel_size": stages,
        "pp_layer_partition": case.get("layer_partition")
        if not drafts
        else shapes.partition(
            len(model.layers) - drafts, stages, len(model.layers), case.get("layer_partition")
        ),
        "num_speculative_tokens": case.get("num_speculative_tokens"),
        "indexer_kv_dtype": case.get("index_dtype", "auto"),
        "kv_cache_layout": case.get("layout_asked"),
        "flash_attention_version": case.get("flash_attention_version"),
        "max_num_encoder_input_tokens": case.get("max_encoder_tokens"),
    }
    if "pp" in case:
        settings["max_num_batched_tokens"] = case["max_num_batched_tokens"]
        settings["async_scheduling"] = case["async_scheduling"]
    if case.get("multi_module_mtp"):
        settings["num_prefill_lookahead_tokens"] = case["num_speculative_tokens"]
    if case["kind"] == "replicated draft":
        model = of(model.layers[:-drafts], num_nextn_predict_layers=drafts)
        settings |= {"speculative_method": "mtp", "pp_layer_partition": None}
    check(model, case, settings)


@pytest.mark.parametrize(
    "case",
    named(case for case in MORE["cases"] if case["model"].endswith("kept in bf16")),
)
def test_layers_kept_without_a_longer_block(case: Case) -> None:
    """A what-if: vLLM itself would lengthen the block, so the pages alone can be met."""
    model = of(shapes.in_order(MORE["models"][case["model"]], "1" * 32))
    settings = {**common(case), "block_size": case["block_size"]}
    quantised = figures(model, case["max_model_len"], settings)["bytes_per_block"]
    own = figures(model, case["max_model_len"], {**settings, "kv_cache_dtype": "bf16"})
    assert case["group_layers"] == own["group_layers"]
    assert case["blocks_per_request"] == own["blocks_per_request"]
    assert case["bytes_per_block"] == (28 * quantised + 4 * own["bytes_per_block"]) // 32


@pytest.mark.parametrize("case", LOG["cases"])
def test_log_figures_and_the_start_up_check(case: Mapping[str, Case]) -> None:
    asked, printed = case["settings"], case["results"]
    table = LOG["models"][asked["model"]]
    model = of(shapes.in_order(table["layers"], table["order"]))
    settings = {
        **common(asked),
        "max_num_batched_tokens": asked["max_num_batched_tokens"],
        "async_scheduling": asked["async_scheduling"],
        "pipeline_parallel_size": asked["pp"],
        "decode_context_parallel_size": asked["dcp"],
        "block_size": asked["block_size_asked"],
        "attention_backend": asked["backend"],
        "mamba_cache_mode": asked.get("mamba_cache_mode", "align"),
    }

    def pool(context: int, memory: Any = asked["memory_bytes"]) -> Any:
        return kvcalc.pool(model, "vllm", memory=memory, context=context, **settings)

    found = pool(asked["max_model_len"]).figures
    assert found["blocks_per_request"] == printed["blocks_per_request"]
    assert found["block_size"] == printed["block_size"]
    assert list(found["rank_bytes_per_block"]) == printed["rank_bytes_per_block"]
    if "num_gpu_blocks_override" in asked:
        override = asked["num_gpu_blocks_override"]
        pages = found["rank_bytes_per_block"]
        found = pool(asked["max_model_len"], tuple(override * page for page in pages)).figures
    if "max_model_len" in printed:
        assert found["estimated_max_model_len"] == printed["max_model_len"]
        found = pool(printed["max_model_len"]).figures
    assert found["fits"] == ("log" in printed)
    if "log" in printed:
        figures = ("num_gpu_blocks", "capacity_tokens", "max_concurrency")
        names = ("num_blocks", "kv_cache_size_tokens", "max_concurrency")
        assert [found[name] for name in figures] == [printed[name] for name in names]
        tokens, concurrency = f"{found['capacity_tokens']:,}", f"{found['max_concurrency']:.2f}x"
        assert tokens in printed["log"]
        assert concurrency in printed["log"]
        return
    assert list(found["rank_needed_bytes"]) == printed["rank_needed_bytes"]
    assert list(found["rank_available_bytes"]) == printed["rank_checked_against_bytes"]
    assert list(found["rank_estimated_max_model_len"]) == printed["estimated_max_model_len"]
    if "GiB" in printed["error"]:
        sizes = re.findall(r"\(([\d.]+) GiB", printed["error"])
        assert [str(found[name]) for name in ("needed_gib", "available_gib")] == sizes
    for length in re.findall(r"length is (\d+)", printed["error"]):
        assert int(length) in found["rank_estimated_max_model_len"]
