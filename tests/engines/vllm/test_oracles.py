"""What vLLM 0.33.0's own planning code gave for these models and settings, figure by figure."""

from typing import Any

import pytest

from kvcalc.engines.vllm import blocks
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.layers import layer
from kvcalc.model import Model
from tests.engines.vllm import shapes
from tests.engines.vllm.figures import check, planned_figures
from tests.engines.vllm.measured import (
    KINDS,
    MORE,
    PLANNED,
    RANDOM,
    RECURRENT,
    VLLM,
    Case,
    kinds_model,
    more_model,
    named,
    of,
    plain_model,
    recurrent_model,
)


def common(case: Case) -> dict[str, Any]:
    """The settings that every case has; its tokens in flight are given as one batch."""
    return {
        "tensor_parallel_size": case["tp"],
        "kv_cache_dtype": case["kv_dtype"],
        "max_num_batched_tokens": case["max_in_flight_tokens"],
        "async_scheduling": False,
        "disable_hybrid_kv_cache_manager": not case["hybrid_manager"],
    }


@pytest.mark.parametrize("case", named([*VLLM["cases"], *RANDOM["cases"]]))
def test_plain_layers_and_random_mixes(case: Case) -> None:
    model = plain_model(case["model"]) if "model" in case else of(shapes.repeated(case["layers"]))
    check(model, case, common(case) | {"block_size": case["block_size"]}, "block_size")


@pytest.mark.parametrize("case", named(RECURRENT["cases"]))
def test_recurrent_layers(case: Case) -> None:
    settings = {
        **common({**case, "hybrid_manager": True}),
        "block_size": case["block_size_asked"],
        "mamba_ssm_cache_dtype": RECURRENT["models"][case["model"]]["ssm"],
        "mamba_cache_mode": case["mamba_cache_mode"],
        "prefill_checkpoint_blocks": case["prefill_checkpoint_blocks"],
        "num_speculative_tokens": case["num_speculative_tokens"],
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
"""Settings that the further models' cases have by vLLM's own names."""

KEPT = "kept in bf16"


def check_with_no_ends_kept(
    model: Model, case: Case, settings: dict[str, Any], *asked: str
) -> None:
    """The cases were measured past vLLM's options, which keep layers at a model's ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "UNQUANTISED_ENDS", 0)
        check(model, case, settings, *asked)


@pytest.mark.parametrize(
    "case",
    named(case for case in MORE["cases"] + MORE["refused"] if not case["model"].endswith(KEPT)),
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
        "pp_layer_partition": shapes.partition(main, stages, len(model.layers)),
    }
    if case["model"].startswith("sink layers"):
        # Sinks are sized as full attention is.
        assert set(case["group_kinds"]) == {"sink_full_attention"}
        case = {**case, "group_kinds": ["full_attention"]}
    check_with_no_ends_kept(model, case, settings, "block_size")


@pytest.mark.parametrize(
    "case", named(case for case in MORE["cases"] if case["model"].endswith(KEPT))
)
def test_layers_kept_without_a_longer_block(case: Case) -> None:
    """A what-if: vLLM itself would lengthen the block, so the pages alone can be met."""
    model = of(shapes.in_order(MORE["models"][case["model"]], "1" * 32))
    settings = common(case) | {"block_size": case["block_size"]}
    quantised, own = (
        planned_figures(plan(model, VllmSettings(**one)), case["max_model_len"])
        for one in (settings, {**settings, "kv_cache_dtype": "bf16"})
    )
    assert case["group_layers"] == own["group_layers"]
    assert case["blocks_per_request"] == own["blocks_per_request"]
    page = 28 * quantised["bytes_per_block"] + 4 * own["bytes_per_block"]
    assert case["bytes_per_block"] == page // 32


@pytest.mark.parametrize("case", named(KINDS["cases"]))
def test_further_kinds(case: Case) -> None:
    model, drafts = kinds_model(case["model"])
    own, stages = len(model.layers) - drafts, case.get("pp", 1)
    given = case.get("layer_partition")
    settings = {
        **common(case),
        "attention_backend": case["backend"],
        "block_size": case["block_size_asked"],
        "decode_context_parallel_size": case["dcp"],
        "prefill_context_parallel_size": case["pcp"],
        "kv_cache_dtype_skip_layers": case.get("kv_dtype_skip_layers"),
        "pipeline_parallel_size": stages,
        "pp_layer_partition": shapes.partition(own, stages, len(model.layers), given)
        if drafts
        else given,
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
    check_with_no_ends_kept(model, case, settings)


def kinds_of_layers(case: Case) -> str:
    kinds = dict.fromkeys(table["kind"].split("_")[0] for table in case["layers"])
    return "-".join([*kinds, case["settings"]["attention_backend"]])


@pytest.mark.parametrize("case", PLANNED["cases"], ids=kinds_of_layers)
def test_random_layers_kernels_and_layouts(case: Case) -> None:
    kinds = [layer(table) for table in case["layers"]]
    model = of(kinds[int(digit)] for digit in case["order"])
    check(model, case, case["settings"], "order", "settings")
