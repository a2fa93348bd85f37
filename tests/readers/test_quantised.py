"""How a file's weights are stored: its formats, and what each leaves in the model's own type."""

from collections.abc import Mapping
from typing import Any

import pytest

from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.parameters.quantization import MODULES, Quantization
from kvcalc.parameters.tensor import Tensor
from kvcalc.readers.huggingface.parameters.quantised import quantization_of
from tests.each import each

Q = Tensor("q", "attention", (64, 64), (3,))
ROUTER = Tensor("router", "router", (8, 64), (3,))
HEAD = Tensor("lm_head", "lm_head", (1000, 64))


def read(**table: Any) -> Quantization:
    found = quantization_of({"quantization_config": table}, {}, lambda: None)
    assert found is not None
    return found


def compressed(bits: int, kind: str, strategy: str | None, **more: Any) -> Mapping[str, Any]:
    weights = {"num_bits": bits, "type": kind, "strategy": strategy, **more}
    groups = {"group_0": {"targets": ["Linear"], "weights": weights}}
    return {"quant_method": "compressed-tensors", "config_groups": groups}


@each(
    ("table", "form", "group"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8_block", 128),
        ({"quant_method": "fp8"}, "fp8_tensor", None),
        (compressed(8, "float", "block", block_structure=[64, 64]), "fp8_block", 64),
        (compressed(8, "float", "channel"), "fp8_channel", None),
        (compressed(8, "int", "channel"), "fp8_channel", None),
        (compressed(8, "float", "tensor"), "fp8_tensor", None),
        (compressed(4, "int", "group", group_size=32), "int4", 32),
        (compressed(4, "float", "tensor_group", group_size=16), "nvfp4", 16),
        (compressed(4, "float", None, group_size=16), "nvfp4", 16),
        (compressed(4, "float", "group", group_size=32), "mxfp4", 32),
        (compressed(2, "int", "group", group_size=32), None, None),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8_tensor", 128),
        ({"quant_method": "modelopt", "quant_algo": "FP8_PB_WO"}, "fp8_block", 128),
        (
            {"quant_method": "modelopt", "quant_algo": "FP8_PER_CHANNEL_PER_TOKEN"},
            "fp8_channel",
            128,
        ),
        ({"quant_method": "modelopt_fp4", "quant_algo": "NVFP4", "group_size": 16}, "nvfp4", 16),
        ({"quant_method": "modelopt", "quant_algo": "W4A16_NVFP4"}, "w4a16_nvfp4", 128),
        ({"quant_method": "modelopt", "quant_algo": "W4A16_AWQ"}, "int4", 128),
        ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, "int4", 128),
        ({"quant_method": "awq", "w_bit": 4, "group_size": 64}, "awq", 64),
        ({"quant_method": "gptq", "bits": 4}, "gptq", 128),
        ({"quant_method": "gptq", "bits": 8}, None, None),
        ({"quant_method": "mxfp4"}, "mxfp4", None),
        ({"quant_method": "brand_new"}, None, None),
    ],
)
def test_a_method_says_its_format_and_its_group(
    table: Mapping[str, Any], form: str | None, group: int | None
) -> None:
    found = read(**table)
    assert (found.format, found.group_size) == (form, group)


def test_a_format_that_is_not_known_is_named_where_it_is_needed() -> None:
    found = read(quant_method="brand_new", ignore=["lm_head"])
    assert found.format_of(ROUTER, 3) is None
    with pytest.raises(UnsupportedError, match="weights: how 'brand_new' stores them here"):
        found.format_of(Q, 3)


@each(
    ("key", "pattern", "kept"),
    [
        ("ignore", "model.layers.3.self_attn.q_proj", True),
        ("ignore", "model.language_model.layers.3.self_attn*", True),
        ("ignore", "re:.*self_attn.*", True),
        ("modules_to_not_convert", "model.layers.*.self_attn", True),
        ("modules_to_not_convert", "self_attn", True),
        ("exclude_modules", "backbone.layers.3.mixer.q_proj", True),
        ("ignored_layers", "model.layers.3", True),
        ("ignore", "model.layers.30.self_attn.q_proj", False),
        ("ignore", "re:.*self_attn.*[", False),
        ("ignore", "lm_head", False),
        ("ignore", "proj", False),
    ],
)
def test_what_is_kept_is_said_by_names_globs_and_expressions(
    key: str, pattern: str, kept: bool
) -> None:
    found = read(quant_method="fp8", **{key: [pattern]})
    assert (found.format_of(Q, 3) is None) == kept


def test_named_modules_have_a_format_of_their_own_and_the_others_none() -> None:
    found = read(
        quant_method="modelopt_mixed",
        quant_algo="MIXED_PRECISION",
        quantized_layers={
            "model.layers.3.self_attn.q_proj": {"quant_algo": "FP8"},
            "lm_head": {"quant_algo": "NVFP4"},
        },
    )
    assert (found.format_of(Q, 3), found.format_of(Q, 4)) == ("fp8_tensor", None)
    assert found.format_of(HEAD, None) == "nvfp4"


def test_the_head_is_quantised_only_where_it_is_named() -> None:
    assert read(quant_method="fp8").format_of(HEAD, None) is None


def test_experts_in_fp4_stand_beside_linears_in_fp8() -> None:
    found = quantization_of(
        {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}},
        {"expert_dtype": "fp4"},
        lambda: None,
    )
    assert found is not None
    expert = Tensor("expert_down", "experts", (8, 64, 64), (3,))
    shared = Tensor("shared_down", "shared_expert", (64, 64), (3,))
    assert (found.format_of(expert, 3), found.format_of(shared, 3)) == ("mxfp4", "fp8_block")


def test_modelopts_file_beside_says_it_too() -> None:
    beside = {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    found = quantization_of({}, {}, lambda: beside)
    assert found is not None
    assert (found.method, found.format, found.kept) == ("modelopt", "fp8_tensor", ("lm_head",))
    assert quantization_of({}, {}, lambda: None) is None


@pytest.mark.parametrize(
    "table",
    [{"quantization_config": [1]}, {"quantization_config": {"quant_method": "fp8", "ignore": "x"}}],
)
def test_another_type_is_one_sentence(table: Mapping[str, Any]) -> None:
    with pytest.raises(KvcalcError, match="found"):
        quantization_of(table, {}, lambda: None)


@each("role", MODULES)
def test_each_linear_has_a_name_that_a_pattern_finds(role: Any) -> None:
    module = MODULES[role][-1].replace(".0.", ".7.")
    found = read(quant_method="fp8", ignore=[f"re:.*{module.replace('7', '[0-9]+')}"])
    place = None if role == "lm_head" else 3
    assert found.format_of(Tensor(role, "attention", (64, 64), (3,)), place) is None
