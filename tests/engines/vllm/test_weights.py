"""What vLLM loads on a rank, to the byte."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.engine import names
from kvcalc.engines.shards import SHARDS
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights import weigh
from kvcalc.engines.vllm.weights.formats import EXPERTS, Kernels, experts
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from kvcalc.parameters.quantization import LINEAR
from kvcalc.readers.huggingface import reading_of
from tests.each import each
from tests.shapes import full, model

ORACLES = Path(__file__).parents[2] / "oracles"
TABLE: dict[str, Any] = json.loads((ORACLES / "vllm_weights.json").read_text())
CASES = [dict(zip(TABLE["columns"], row, strict=True)) for row in TABLE["cases"]]

FP8 = {"num_bits": 8, "type": "float", "strategy": "channel"}
INT4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}
FP4 = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}


def compressed(weights: Mapping[str, Any]) -> Mapping[str, Any]:
    group = {"targets": ["Linear"], "weights": weights}
    return {
        "quant_method": "compressed-tensors",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }


VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "fp8-block": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    "fp8-dynamic": compressed(FP8),
    "w4a16": compressed(INT4),
    "nvfp4": compressed(FP4),
    "awq": {"quant_method": "awq", "bits": 4, "group_size": 128},
    "gptq": {"quant_method": "gptq", "bits": 4, "group_size": 128},
}
"""Usual quantisations that a published shape was built with."""

READ = names(
    "down_bias gate_a gate_b head_gate k_norm latent_down latent_up positions q_norm "
    "recurrent_out_bias ssm_in_bias ssm_step ssm_steps up_bias"
)
"""Roles of no measured model: their parts are read in vLLM's files."""

GPUS = {"8.0": "a100-80gb", "9.0": "h200", "10.0": "b200"}
"""A GPU of each compute capability."""


@cache
def published(name: str, variant: str) -> Model:
    folder = ORACLES / "configs" / "checkpoints" / name
    path = folder if folder.is_dir() else ORACLES / "configs" / f"{name}.json"
    if not variant:
        return kvcalc.load(path)
    table = json.loads(path.read_text())
    return reading_of({**table, "quantization_config": VARIANTS[variant]}, name, name).model


def settings_of(case: Mapping[str, Any]) -> VllmSettings:
    names = [*TABLE["columns"][2:4], "enable_expert_parallel", "language_model_only"]
    return VllmSettings(
        max_num_batched_tokens=8_192,
        gpu=GPUS[case["compute_capability"]],
        **{name: case[name] for name in names},
    )


@each("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_a_rank_loads_what_vllms_own_classes_hold(case: Mapping[str, Any]) -> None:
    loaded = weigh(published(case["model"], case["variant"]), settings_of(case))
    assert loaded is not None
    assert sum(loaded.stages[case["stage"]].values()) == case["bytes"]


AMPERE = [
    case
    for case in CASES
    if "gpt-oss" in case["model"]
    and (case["compute_capability"], case["enable_expert_parallel"]) == ("8.0", False)
]


@pytest.mark.parametrize("case", AMPERE, ids=lambda case: case["tensor_parallel_size"])
@pytest.mark.parametrize(
    ("gpu", "release", "step"),
    [("b200", "0.33.0", 128), ("b200", "0.26.0", 256), ("rtx-pro-6000", "0.33.0", 128)],
)
def test_mxfp4_on_blackwell_is_marlins_layout_or_flashinfers(
    case: Mapping[str, Any], gpu: str, release: str, step: int
) -> None:
    """gpt-oss-20b, 24 layers of 32 experts, 2,880 wide and padded to 3,072 outside: compute
    capability 12.x runs Marlin, as 8.0, which was measured; 10.x FlashInfer's kernels, with biases
    of 4 bytes and three float32 of each expert beside, and up to 0.26 a width of whole 256."""
    ranks = case["tensor_parallel_size"]
    settings = VllmSettings(
        tensor_parallel_size=ranks, max_num_batched_tokens=8_192, gpu=gpu, release=release
    )
    loaded = weigh(published(case["model"], ""), settings)
    assert loaded is not None
    width = 2_880 // ranks
    marlin, wide = -(-width // 128) * 128, -(-width // step) * step
    expert = 3 * (wide - marlin) * 3_072 * 17 // 32
    if gpu == "b200":
        expert += 4 * (2 * wide + 3_072) - 2 * (2 * marlin + 3_072) + 3 * 4
    assert loaded.bytes == case["bytes"] + 24 * 32 * expert
    assert "read in vllm's source, not measured" in loaded.note


@each("kind", sorted(LINEAR.keys() - EXPERTS.keys()))
def test_experts_without_a_layout_of_their_own_are_so_many_linears(kind: Any) -> None:
    taken = [
        experts(kind, "expert_down", (count, 512, 256), 128, Kernels(9, 256), gated=True)
        for count in (1, 8)
    ]
    assert taken[1] == 8 * taken[0] > 0


def test_a_log_of_marlins_layout() -> None:
    """gpt-oss-120b on 0.10.1 printed 65.9651 GiB (vllm-project/vllm#23278): ours, and less than
    40 MiB that the allocator rounds up."""
    settings = VllmSettings(gpu="rtx-pro-6000")
    loaded = weigh(kvcalc.load("gpt-oss-120b"), settings)
    assert loaded is not None
    assert 0 < 65.9651 * 2**30 - loaded.bytes < 40 * 2**20


def test_a_layout_that_was_neither_measured_nor_read_is_not_weighed() -> None:
    model = kvcalc.load("deepseek-v4-flash")
    assert weigh(model, VllmSettings(gpu="h200")) is not None
    assert weigh(model, VllmSettings(gpu="b200")) is None


@each("draft", TABLE["drafts"], ids=lambda draft: "-".join(map(str, draft.values())))
def test_a_draft_adds_what_its_class_holds(draft: Mapping[str, Any]) -> None:
    settings = VllmSettings(
        tensor_parallel_size=draft["tensor_parallel_size"],
        speculative_method="mtp",
        max_num_batched_tokens=8_192,
    )
    loaded = weigh(published(draft["model"], ""), settings)
    assert loaded is not None
    assert loaded.parts["draft"] == draft["bytes_added"]


def test_past_a_stage_a_draft_has_an_embedding_of_its_own() -> None:
    model = published("LGAI-EXAONE--K-EXAONE-236B-A23B", "")
    one, two = (
        weigh(model, VllmSettings(speculative_method="mtp", pipeline_parallel_size=stages))
        for stages in (1, 2)
    )
    assert one is not None
    assert two is not None
    assert two.stages[1]["draft"] - one.stages[0]["draft"] == 153_600 * 6_144 * 2
    assert "draft" not in two.stages[0]


def test_a_draft_that_is_not_known_is_said_or_not_weighed() -> None:
    llama = published("meta-llama--Meta-Llama-3.1-8B", "")
    loaded = weigh(llama, VllmSettings(speculative_method="eagle"))
    assert loaded is not None
    assert "EAGLE" in loaded.note
    minimax = published("MiniMaxAI--MiniMax-M2.5", "")
    assert weigh(minimax, VllmSettings(speculative_method="mtp")) is None


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


@each(
    ("model_type", "release", "times"),
    [
        ("qwen2_vl", "0.20.0", 4),
        ("qwen2_5_vl", "0.33.0", 4),
        ("glm4v", "0.33.0", 4),
        ("glm4v_moe", "0.33.0", 4),
        ("qwen3_5", "0.27.1", 4),
        ("qwen3_5_moe", "0.31.0", 4),
        ("qwen3_5_text", "0.31.0", 4),
        ("qwen3_5_moe_text", "0.31.0", 4),
        ("qwen3_vl_moe", "0.31.0", 4),
        ("qwen3_vl", "0.31.0", 4),
        ("qwen3_vl", "0.32.0", 1),
        ("qwen3_5", "0.32.0", 1),
        ("qwen3", "0.31.0", 1),
    ],
)
def test_tables_of_positions_that_videos_reach_are_four_times_as_long(
    model_type: str, release: str, times: int
) -> None:
    found = reading_of({"model_type": model_type}, "a model", "a test").model
    loaded = weigh(found, VllmSettings(release=release, language_model_only=True))
    assert loaded is not None
    assert found.sizes is not None
    ((positions, width),) = found.sizes.ropes
    assert loaded.parts["rope table"] == times * positions * width * 2


VL_POSITIONS = 8_192 * 36 * 2
GEMMA_4_TOWER = 3 * 1_152 * 2 + 2 * 18 * 4


@each(
    ("name", "last", "more"),
    [
        # Norms of the values of 25 heads of 256 and 5 of 512, each beside a scalar of its layer.
        ("gemma-4-31b", 30 * 24 + 2 * (25 * 257 + 5 * 513), 2 + GEMMA_4_TOWER),
        ("gemma-3-27b", 31 * 24, 2 + 4_096 * 8),
        # 18 of 24 layers have rotary positions, and a float32 norm of heads of 128.
        ("llama-4-scout", 24 * 24 + 18 * 4 * 128, 1_025 * 24 * 8),
        # Of each token of a batch what three layers of the tower add, 4,096 wide.
        ("Qwen--Qwen3-VL-8B-Instruct", 18 * 24, VL_POSITIONS + 3 * 8_192 * 4_096 * 2),
        # 8 of 32 layers have scales; the others are gated delta nets.
        ("qwen3.5-27b", 8 * 24, VL_POSITIONS),
    ],
)
def test_what_images_need_and_the_embedding_are_buffers_of_the_first_stage_alone(
    name: str, last: int, more: int
) -> None:
    """Each of two stages has 24 bytes of scales a layer that attends, and what a layer keeps."""
    model = published(name, "") if "--" in name else kvcalc.load(name)
    settings = VllmSettings(pipeline_parallel_size=2, max_num_batched_tokens=8_192)
    loaded = weigh(model, settings)
    assert loaded is not None
    assert [stage["buffers"] for stage in loaded.stages] == [last + more, last]
    text = weigh(model, VllmSettings(**settings.changed(), language_model_only=True))
    assert text is not None
    normalizer = 2 if "gemma" in name else 0
    assert [stage["buffers"] for stage in text.stages] == [last + normalizer, last]


def test_a_group_of_scales_that_ranks_would_cut_is_refused() -> None:
    qwen = published("Qwen--Qwen3-30B-A3B", "w4a16")
    with pytest.raises(UnsupportedError, match="192 columns of an expert, expected a multiple of"):
        weigh(qwen, VllmSettings(tensor_parallel_size=4))
    whole = weigh(qwen, VllmSettings(tensor_parallel_size=4, enable_expert_parallel=True))
    assert whole is not None


@each(
    "model_type",
    [
        "bloom",
        "falcon",
        "falcon_mamba",
        "gpt2",
        "gptj",
        "jamba",
        "mamba",
        "mamba2",
        "minicpm3",
        "opt",
    ],
)
def test_a_stage_may_have_both_ends(model_type: str) -> None:
    """Where models/<model_type>.py makes them, positions and norms too, without a look at it."""
    whole = reading_of({"model_type": model_type}, "a model", "a test").model
    loaded = weigh(whole, VllmSettings(pipeline_parallel_size=2, tensor_parallel_size=1))
    assert loaded is not None
    first, last = loaded.stages
    embedding = next(one for one in whole.tensors or () if one.role == "embedding")
    rows = -(-embedding.shape[0] // 64) * 64
    assert first["embedding"] == last["embedding"] >= 2 * rows * embedding.shape[1]
    assert first.get("lm_head") == last.get("lm_head")


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_tower_of_which_only_some_layers_are_built_is_not_weighed(kind: str) -> None:
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, "patch_size": 14}
    tower = {"model_type": f"{kind}_vision_model", "image_size": 56, **sizes}
    table = {"model_type": "llava", "text_config": {}, "vision_config": tower}
    whole = reading_of(table, "a model", "a test").model
    assert whole.counted is not None
    assert weigh(whole, VllmSettings()) is None
    assert weigh(whole, VllmSettings(language_model_only=True)) is not None


def test_a_tower_whose_layout_was_not_read_is_not_weighed() -> None:
    whole = reading_of({"model_type": "glm4v"}, "a model", "a test").model
    assert whole.counted is not None
    assert weigh(whole, VllmSettings()) is None


def test_a_model_without_a_rule_is_not_weighed() -> None:
    assert weigh(model(full()), VllmSettings()) is None
