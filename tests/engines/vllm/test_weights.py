"""What vLLM loads on a rank, to the byte."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kvcalc.engines.engine import names
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights import weigh
from kvcalc.engines.vllm.weights.shards import SHARDS
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from kvcalc.readers.huggingface import reading_of
from tests.shapes import full, model

ORACLES = Path(__file__).parents[2] / "oracles"
TABLE: dict[str, Any] = json.loads((ORACLES / "vllm_weights.json").read_text())
CASES = [dict(zip(TABLE["columns"], row, strict=True)) for row in TABLE["cases"]]

VARIANTS: Mapping[str, Mapping[str, Any]] = {}
"""Usual quantisations that a published shape was built with."""

READ = names(
    "compressor compressor_ape down_bias expert_down_bias expert_up_bias gate_a gate_b head_gate "
    "hyper_connection index_ape index_compressor k_bias k_norm kv latent_down latent_up "
    "mtp_projection o_a o_b o_bias q_bias q_norm router_bias router_table sinks up_bias "
    "v_bias"
)
"""Roles of no measured model: their parts are read in vLLM's files."""

GPUS = {"8.0": "a100-80gb", "9.0": "h200", "10.0": "b200"}
"""A GPU of each compute capability."""


@cache
def published(name: str, variant: str) -> Model:
    folder = ORACLES / "configs" / "checkpoints" / name
    path = folder / "config.json" if folder.is_dir() else ORACLES / "configs" / f"{name}.json"
    table = json.loads(path.read_text())
    if variant:
        table["quantization_config"] = VARIANTS[variant]
    return reading_of(table, name, str(path)).model


def settings_of(case: Mapping[str, Any]) -> VllmSettings:
    names = [*TABLE["columns"][2:4], "enable_expert_parallel", "language_model_only"]
    return VllmSettings(
        max_num_batched_tokens=8_192,
        gpu=GPUS[case["compute_capability"]],
        **{name: case[name] for name in names},
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_a_rank_loads_what_vllms_own_classes_hold(case: Mapping[str, Any]) -> None:
    loaded = weigh(published(case["model"], case["variant"]), settings_of(case))
    assert loaded is not None
    assert sum(loaded.stages[case["stage"]].values()) == case["bytes"]


def test_the_fullest_stage_counts_and_its_parts_are_named() -> None:
    loaded = weigh(
        published("LGAI-EXAONE--K-EXAONE-236B-A23B", ""),
        VllmSettings(tensor_parallel_size=4, pipeline_parallel_size=2),
    )
    assert loaded is not None
    assert loaded.bytes == 60_371_341_888
    assert sum(loaded.parts.values()) == loaded.bytes
    assert list(loaded.parts)[:2] == ["experts", "attention"]
    assert loaded.parts["rope table"] == 64 * 2**20


def test_the_roles_whose_parts_are_read_and_not_measured_are_these() -> None:
    models = {(case["model"], case["variant"]) for case in CASES}
    measured = {one.role for name in models for one in published(*name).tensors or ()}
    assert SHARDS.keys() - measured == READ


def test_ranks_that_do_not_divide_the_heads_are_refused() -> None:
    qwen = published("Qwen--Qwen3-8B", "")
    with pytest.raises(UnsupportedError, match="found 3, expected a divisor of the 32 attention"):
        weigh(qwen, VllmSettings(tensor_parallel_size=3))


def test_a_model_without_a_rule_is_not_weighed() -> None:
    assert weigh(model(full()), VllmSettings()) is None
