"""A model's parameters, counted from its sizes, are those of its class in transformers."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.catalogue import models
from kvcalc.errors import SourceError, UnsupportedError
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.composed import SharedCache
from kvcalc.layers.recurrent import Mamba
from kvcalc.model import Model
from kvcalc.parameters.checkpoint import tensors_of
from kvcalc.parameters.sizes import Sizes
from kvcalc.readers.huggingface import reading_of
from tests.each import each

ORACLES = Path(__file__).parents[1] / "oracles"
TABLE: dict[str, Any] = json.loads((ORACLES / "parameters.json").read_text())
MEASURED: dict[str, dict[str, Any]] = TABLE["models"]

NAMED_OTHERWISE = {"deepseek_v4": {"other": "hyper_connections", "mlp": "hyper_connections"}}
"""Components that the measuring script named by tensors' names alone."""


def published(name: str) -> Model:
    folder = ORACLES / "configs" / "checkpoints" / name
    return kvcalc.load(folder if folder.is_dir() else ORACLES / "configs" / f"{name}.json")


@each("name", MEASURED)
def test_a_file_has_as_many_parameters_as_its_class(name: str) -> None:
    measured, found = MEASURED[name], published(name).counted
    components: Counter[str] = Counter()
    for part, count in measured["components"].items():
        components[NAMED_OTHERWISE.get(measured["model_type"], {}).get(part, part)] += count
    assert found is not None
    assert found.total == measured["total"]
    assert found.active == measured.get("active", measured["total"])
    assert found.components == components


@each("case", TABLE["types"], ids=lambda case: json.dumps(case["config"])[:80])
def test_a_model_type_has_as_many_parameters_as_its_class(case: Mapping[str, Any]) -> None:
    found = reading_of(case["config"], "a model", "a test").model.counted
    assert found is not None
    assert found.total == case["total"]


UNCOUNTED = {"kimi-k3"}
"""Presets of model types without a rule."""


@each("name", models.names())
def test_a_preset_says_what_its_sizes_count(name: str) -> None:
    model = kvcalc.load(name)
    found = model.counted
    assert (found is None) == (name in UNCOUNTED)
    if found is None:
        assert model.parameters is None
        return
    assert model.parameters == found.total
    assert model.active_parameters == (None if found.active == found.total else found.active)


def test_a_text_of_its_own_is_the_text_beside_a_tower() -> None:
    """MiniMax-M3 has no class of its own: its form with a tower has, which holds the same text."""
    whole = MEASURED["nvidia--MiniMax-M3-NVFP4"]
    found = published("MiniMaxAI--MiniMax-M3").counted
    assert found is not None
    assert found.total == whole["total"] - whole["components"]["vision"]


def test_a_model_type_without_a_rule_is_not_counted() -> None:
    model = published("moonshotai--Kimi-K3")
    assert (model.model_type, model.tensors, model.counted) == ("kimi_k3", None, None)


@pytest.mark.parametrize(
    ("name", "drafting"), [("k-exaone-236b-a23b", 490_764_544), ("kimi-k2", 0), ("llama-3.1-8b", 0)]
)
def test_layers_that_draft_are_counted_apart(name: str, drafting: int) -> None:
    found = kvcalc.load(name).counted
    assert found is not None
    assert (found.mtp, "mtp" in found.components) == (drafting, False)


def test_tensors_say_where_they_stand() -> None:
    tensors = kvcalc.load("k-exaone-236b-a23b").tensors
    assert tensors is not None
    tensors = tuple(tensor for tensor in tensors if tensor.component != "mtp")
    (gate,) = [tensor for tensor in tensors if tensor.role == "gate"]
    assert (gate.component, gate.shape, gate.layers) == ("mlp", (16_384, 6_144), (0,))
    (router,) = [tensor for tensor in tensors if tensor.role == "router"]
    assert (router.shape, router.layers) == ((128, 6_144), tuple(range(1, 48)))
    (norms,) = [one for one in tensors if one.role == "norm" and one.layers]
    assert (norms.copies, norms.times, norms.elements) == (2, 96, 96 * 6_144)


@pytest.mark.parametrize(
    ("biased", "more"), [("", 0), ("o", 64), ("qkv", 4 * 16 + 2 * 2 * 16), ("qkvo", 192)]
)
def test_biases_are_those_of_the_projections_that_have_one(biased: Any, more: int) -> None:
    layer = FullAttention(query_heads=4, kv_heads=2, head_dim=16)
    plain = tensors_of([layer], Sizes(hidden_size=64, vocab_size=100))
    given = tensors_of([layer], Sizes(hidden_size=64, vocab_size=100, attention_bias=biased))
    assert sum(t.elements for t in given) - sum(t.elements for t in plain) == more


def test_a_tower_of_another_kind_is_not_counted() -> None:
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, "patch_size": 14}
    table = {
        "model_type": "llava",
        "text_config": {"model_type": "mistral"},
        "vision_config": {"model_type": "pixtral", "image_size": 56, **sizes},
    }
    assert reading_of(table, "a model", "a test").model.counted is None


def test_a_mamba_layer_is_not_counted_without_the_rank_of_its_steps() -> None:
    layer, sizes = Mamba(kernel=4, inner=128, state=16), Sizes(hidden_size=64, vocab_size=9)
    with pytest.raises(UnsupportedError, match="step_rank: missing beside a Mamba layer"):
        tensors_of([layer], sizes)
    whole = tensors_of([layer], sizes.model_copy(update={"step_rank": 4}))
    steps = {one.role: one.shape for one in whole if one.role in ("ssm_steps", "ssm_step")}
    assert steps == {"ssm_steps": (4 + 2 * 16, 128), "ssm_step": (128, 4)}


def test_experts_without_how_many_a_token_takes_are_not_counted() -> None:
    config = {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": None}
    assert reading_of(config, "a model", "a test").model.counted is None


def test_opt_is_counted_where_its_rows_are_as_wide_as_its_layers() -> None:
    narrow = {"model_type": "opt", "hidden_size": 1024, "word_embed_proj_dim": 512}
    assert reading_of(narrow, "a model", "a test").model.counted is None
    late = {"model_type": "opt", "do_layer_norm_before": False}
    assert reading_of(late, "a model", "a test").model.counted is None


def test_a_size_may_stand_once_a_layer_if_it_is_always_the_same() -> None:
    plain = {"model_type": "hunyuan_v1_moe", "num_experts": 4, "moe_topk": 2, "head_dim": 128}
    each_layer = {**plain, "num_hidden_layers": 2, "moe_topk": [2, 2]}
    counted = [
        reading_of(config, "a model", "a test").model.counted
        for config in ({**plain, "num_hidden_layers": 2}, each_layer)
    ]
    assert counted[0] == counted[1] is not None
    with pytest.raises(SourceError, match="num_experts_per_tok: found"):
        reading_of({**each_layer, "moe_topk": [2, 4]}, "a model", "a test")


def test_a_kind_of_layer_without_a_rule_is_named_and_its_model_is_not_counted() -> None:
    sizes = Sizes(hidden_size=64, vocab_size=9)
    with pytest.raises(UnsupportedError, match="shared_cache layers: what weights"):
        tensors_of([SharedCache()], sizes)
    assert Model(name="shared", layers=(SharedCache(),), sizes=sizes).counted is None
