"""What the planners of vLLM's releases themselves gave: every figure of every case.

The models are published files and presets; a case is one start-up on one rank in bfloat16.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.vllm.cost import cost_of
from kvcalc.engines.vllm.plan import UNIFORM_TYPE, Plan, plan
from kvcalc.engines.vllm.pool import pool_of
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.model import Model
from tests.engines.vllm.figures import MEMORY
from tests.engines.vllm.measured import ORACLES, VERSIONS, Case, recurrent_model

SPECS = {
    "full_attention": "FullAttention",
    "mla_attention": "MLAAttention",
    "sliding_window": "SlidingWindow",
    "chunked_local_attention": "ChunkedLocalAttention",
    "mamba": "Mamba",
    UNIFORM_TYPE: "UniformTypeKVCaches",
}
"""The names of vLLM's kinds of specs in the cases."""


def file(name: str) -> Callable[[], Model]:
    return lambda: kvcalc.load(str(ORACLES / "configs" / f"{name}.json"))


def preset(name: str) -> Callable[[], Model]:
    return lambda: kvcalc.load(name)


K_EXAONE = file("LGAI-EXAONE--K-EXAONE-236B-A23B")
MTP = {"speculative_method": "mtp", "num_speculative_tokens": 1}

MODELS: Mapping[str, tuple[Callable[[], Model], Mapping[str, Any]]] = {
    "k-exaonew128": (K_EXAONE, {}),
    "k-exaonew4096": (lambda: K_EXAONE().with_window(4_096), {}),
    "k-exaonew128+mtp": (K_EXAONE, MTP),
    "gpt-oss-120b": (preset("gpt-oss-120b"), {}),
    "gpt-oss-20b+eagle3": (file("openai--gpt-oss-20b"), {"speculative_method": "eagle3"}),
    "llama-3.1-8b": (file("meta-llama--Meta-Llama-3.1-8B"), {}),
    "llama-4-scout": (file("meta-llama--Llama-4-Scout-17B-16E-Instruct"), {}),
    "deepseek-v3": (file("deepseek-ai--DeepSeek-V3"), {}),
    "deepseek-v3.2": (file("deepseek-ai--DeepSeek-V3.2"), {}),
    "gemma327b": (preset("gemma-3-27b"), {}),
    "gemma426b-a4b": (file("google--gemma-4-26B-A4B"), {}),
    "mimo-v2-flash": (file("XiaomiMiMo--MiMo-V2-Flash"), {}),
    "qwen3-next-80b": (lambda: recurrent_model("Qwen3-Next-80B-A3B"), {}),
    "nemotron-3-nano": (file("nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"), {}),
}
"""The models of the cases, by their names without spaces and capitals, and how they draft."""


def named(model: str) -> tuple[Callable[[], Model], Mapping[str, Any]]:
    return MODELS[re.sub(r"\s", "", model).lower()]


@lru_cache
def model_of(name: str) -> Model:
    return named(name)[0]()


@lru_cache(maxsize=8)
def planned(
    version: str, name: str, batch: int, overlaps: bool, hybrid: bool, cached: bool | None
) -> Plan | KvcalcError:
    settings = VllmSettings(
        release=version,
        max_num_batched_tokens=batch,
        async_scheduling=overlaps,
        disable_hybrid_kv_cache_manager=not hybrid,
        enable_prefix_caching=cached,
        prefill_checkpoint_blocks=0,
        **named(name)[1],
    )
    try:
        return plan(model_of(name), settings)
    except KvcalcError as error:
        return error


def figures(made: Plan, context: int) -> dict[str, Any]:
    """What kvcalc says of a plan, by the names that the cases use."""
    pool = pool_of(made, MEMORY, context).figures
    states = [group for group in made.groups if group.kind == "mamba"]
    blocks = [group.block or context for group in made.groups]
    mode = made.settings.states_mode(states[0].cache.layer) if states else None
    return {
        "bytes_per_block": pool["bytes_per_block"],
        "blocks_per_request": pool["blocks_per_request"],
        "bytes_per_request": cost_of(made).per_gpu(context),
        "startup_needs": pool["startup_needs"],
        "max_concurrency_in_50GiB": pool["max_concurrency"],
        "label_tokens_in_50GiB": pool["label_tokens"],
        "group_layers": [len(group.members) for group in made.groups],
        "group_kinds": [SPECS[group.kind] for group in made.groups],
        "group_block_sizes": blocks,
        "attention_block": made.block_size,
        "mamba_block": blocks[0],
        "mode": mode,
        "prefix_caching": mode != "none",
    }


ASKED = {
    *("version", "model", "model_file_in_version", "max_model_len", "max_num_batched_tokens"),
    *("async_scheduling", "hybrid_manager"),
}

CASES = [
    pytest.param([*cases], id=" ".join(key))
    for key, cases in groupby(
        sorted(VERSIONS["cases"], key=lambda case: (case["version"], case["model"])),
        key=lambda case: (case["version"], case["model"]),
    )
]


@pytest.mark.parametrize("cases", CASES)
def test_a_release_plans_as_its_own_code_did(cases: list[Case]) -> None:
    asked = ("max_num_batched_tokens", "async_scheduling", "hybrid_manager")
    wrong: list[tuple[Case, object]] = []
    for case in sorted(cases, key=lambda case: [case[name] for name in asked]):
        made = planned(
            case["version"],
            case["model"],
            *(case[name] for name in asked),
            case.get("prefix_caching"),
        )
        if isinstance(made, KvcalcError) or "refused" in case:
            if not (isinstance(made, KvcalcError) and "refused" in case):
                wrong.append((case, made))
            continue
        found = figures(made, case["max_model_len"])
        expected = {name: case[name] for name in case.keys() - ASKED}
        got = {name: found[name] for name in expected}
        if got != expected:
            wrong.append((case, got))
    assert not wrong[:1]


@pytest.mark.parametrize("cases", CASES)
def test_a_release_without_the_model_is_refused_by_name(cases: list[Case]) -> None:
    version, model = cases[0]["version"], model_of(cases[0]["model"])
    if all(case["model_file_in_version"] for case in cases):
        kvcalc.cost(model, f"vllm@{version}")
        return
    with pytest.raises(UnsupportedError, match=f"vllm {version}.*{model.model_type}"):
        kvcalc.cost(model, f"vllm@{version}")
