"""SGLang's own mem_fraction_static by the model: graphs of prompts, and towers (0.5.23)."""

from fractions import Fraction

import pytest

import kvcalc
from kvcalc.catalogue.gpus import find
from kvcalc.engines.memory import Card
from kvcalc.engines.sglang.images import DEEP, LAYERED, left_by
from kvcalc.engines.sglang.memory_share import mem_fraction_static
from kvcalc.engines.sglang.prompt_graphs import prompt_graphs
from kvcalc.errors import UnsupportedError
from kvcalc.parameters.tower_sizes import Tower
from tests.each import each


def card(gpu: str) -> Card:
    found = find(gpu)
    return Card(found.name, found.reported_bytes, found.reported_bytes)


@each(
    ("model", "gpu", "mib"),
    [
        ("qwen3-32b", "h100", 8 * 58),
        ("deepseek-v3", "h200", 1536),
        ("deepseek-v3", "b200", 0),
        ("kimi-k2", "b200", 0),
        ("deepseek-v3.2", "b200", 1536),
        ("kimi-k2.5", "h200", 1536),
        ("deepseek-v4-flash", "h200", 0),
        ("kimi-k3", "h200", 0),
        ("mistral-small-3.1-24b", "h200", 0),
        ("qwen3.5-27b", "h200", 8 * 58),
        ("qwen3.5-35b-a3b", "h200", 8 * 58),
        ("gemma-3-27b", "h200", 8 * 58),
    ],
)
def test_graphs_of_prompts_by_the_model(model: str, gpu: str, mib: int) -> None:
    """srt/arg_groups/cuda_graph_hook.py: by the class, the GPU and whether images are read."""
    assert prompt_graphs(kvcalc.load(model), card(gpu), 8192) == mib


LEFT_BY = [
    # As large as a ViT-L/14, and twice as large: a tenth less.
    ("pixtral", 24, 1024, Fraction(95)),
    ("clip", 48, 1024, Fraction(855, 10)),
    ("siglip", 12, 1024, Fraction(95 * 105, 100)),
    ("gemma4", 12, 512, Fraction(95 * 105, 100)),
    ("kimi_k25", 96, 1024, Fraction(76)),
    # The depth is not read: 24 layers are taken.
    *((kind, 99, 1024, Fraction(95)) for kind in ("glm4v", "qwen2_5_vl", "qwen3_vl")),
]


@each(("kind", "layers", "width", "percent"), LEFT_BY)
def test_what_a_tower_leaves(kind: str, layers: int, width: int, percent: Fraction) -> None:
    assert left_by(tower(kind, layers, width)) == percent / 100


def test_each_kind_of_tower_has_a_row() -> None:
    assert {kind for kind, *_ in LEFT_BY} == DEEP | LAYERED


def tower(kind: str, layers: int = 24, width: int = 1024) -> Tower:
    sizes = {"hidden_size": width, "num_hidden_layers": layers}
    return Tower.model_validate({"kind": kind, "intermediate_size": 1, "patch_size": 14, **sizes})


def test_towers_that_are_not_known_are_named() -> None:
    with pytest.raises(UnsupportedError, match="beside a tower of minimax_m3_vl is not known"):
        left_by(tower("minimax_m3_vl"))


@each(("model", "tower_is_read"), [("qwen3.5-27b", True), ("gemma-3-27b", False)])
def test_a_share_with_and_without_images(model: str, tower_is_read: bool) -> None:
    """gemma3, llama4, step3_vl and inkling are served without images by themselves."""
    loaded = kvcalc.load(model)
    plain = mem_fraction_static(card("h200"), {})
    found = mem_fraction_static(card("h200"), {}, loaded)
    # 24 layers of 1,152: 1.265625 times a ViT-L/14, which leaves 0.95 of 0.9734375.
    left = Fraction(95, 100) * Fraction(9734375, 10**7) if tower_is_read else 1
    assert plain * left - Fraction(1, 10**6) < found <= plain * left
    parts = kvcalc.fit(loaded, engine="sglang", gpu="h200", gpus=1, context=4096).parts
    assert ("cache of images" in {part.name for part in parts}) == tower_is_read


def test_types_without_images_by_themselves() -> None:
    scout = kvcalc.load("llama-4-scout")
    for model_type in ("llama4", "step3_vl", "inkling", "inkling_mm_model"):
        one = scout.model_copy(update={"model_type": model_type})
        assert prompt_graphs(one, card("h200"), 8192) == 8 * 58
