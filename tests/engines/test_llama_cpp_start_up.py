"""The compute buffer of llama.cpp's graph, against what public logs print, in MiB."""

from fractions import Fraction
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.llama_cpp.start_up import parts
from kvcalc.engines.memory import Card, Free
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.stored import Stored
from kvcalc.readers import load
from tests.each import each

MIB = 2**20
CARD = Card("rtx-4090", 2**34, 2**34)
GQA = FullAttention(query_heads=32, kv_heads=8, head_dim=128)
MLA = LatentAttention(query_heads=16, kv_lora_rank=512, qk_rope_head_dim=64)
OLD = "b8000"
"""A build whose graphs have room for the logits of each token."""


def found(vocabulary: int, hidden: int, width: int, layer: Layer = GQA, **given: Any) -> MemoryPart:
    sizes = Sizes(hidden_size=hidden, vocab_size=vocabulary, intermediate_size=width)
    model = Model(name="m", layers=(layer,), sizes=sizes)
    settings = LlamaCppSettings.model_validate(given)
    ((part,),) = parts(model, settings, CARD, Free(2**33, Fraction(1)))
    return part


@each(
    ("name", "vocabulary", "hidden", "width", "printed"),
    [
        ("Llama-3-8B, ten logs", 128_256, 4_096, 14_336, 258.50),
        ("Qwen2.5-7B, CUDA and Vulkan", 152_064, 3_584, 18_944, 304.00),
        ("a model of 40 layers", 151_552, 4_096, 13_696, 304.00),
    ],
)
def test_up_to_mid_2026_it_is_the_logits_of_a_micro_batch(
    name: str, vocabulary: int, hidden: int, width: int, printed: float
) -> None:
    part = found(vocabulary, hidden, width, release=OLD)
    assert (part.kind, part.low, part.high) == ("exact", part.bytes, part.bytes), name
    assert part.bytes / MIB == printed
    half = found(vocabulary, hidden, width, release=OLD, ubatch_size=256)
    assert half.bytes * 2 == part.bytes


@each(
    ("name", "vocabulary", "hidden", "width", "printed"),
    [
        ("Qwen3-4B", 151_936, 2_560, 9_728, 85.01),
        ("Llama-3.1-8B", 128_256, 4_096, 14_336, 248.00),
        ("Qwen3.5-9B at 262,144", 248_320, 4_096, 12_288, 808.02),
        ("Qwen3.8-27B", 248_320, 5_120, 17_408, 314.02),
        ("Qwen3-0.6B", 151_936, 1_024, 3_072, 32.09),
    ],
)
def test_later_it_is_an_estimate_that_holds_what_logs_print(
    name: str, vocabulary: int, hidden: int, width: int, printed: float
) -> None:
    part = found(vocabulary, hidden, width)
    assert part.kind == "estimate"
    assert part.low <= printed * MIB <= part.high, name


@pytest.mark.parametrize(
    ("width", "kind"), [((128_256 - 4_096) // 3 - 1, "exact"), (128_256 // 3, "estimate")]
)
def test_logits_are_the_most_where_three_tensors_of_an_mlp_and_its_input_are_less(
    width: int, kind: str
) -> None:
    assert found(128_256, 4_096, width, release=OLD).kind == kind


@each(
    "given",
    [
        {"flash_attn": False},
        {"tensor_split": "1,1"},
        {"layer": MLA},
        {"width": 60_000},
        {"n_gpu_layers": 1},
        {"n_cpu_moe": 1},
        {"override_tensor": "exps=CPU"},
        {"offload_kqv": False},  # ggml-org/llama.cpp#7217
    ],
)
def test_where_scores_or_other_tensors_may_be_larger_it_is_an_estimate(
    given: dict[str, Any],
) -> None:
    asked: dict[str, Any] = {"width": 14_336, "layer": GQA, **given}
    part = found(128_256, 4_096, release=OLD, **asked)
    assert part.kind == "estimate"
    if "layer" in given or "flash_attn" in given:
        assert part.high >= 5_718 * MIB  # a log of a latent model without flash attention


def test_what_stays_in_main_memory_is_copied_in_part() -> None:
    """OLMoE-1B-7B with 1, 2 and 4 of its layers on an MI300X: 172.37 MiB, 64.09 with each."""
    partly = found(50_304, 2_048, 1_024, n_gpu_layers=1)
    assert partly.low <= 172.37 * MIB <= partly.high
    assert partly.high == 3 * partly.bytes
    assert found(50_304, 2_048, 1_024, n_gpu_layers=99) == found(50_304, 2_048, 1_024)


def test_a_files_own_tensors_tell_the_widths() -> None:
    stored = (
        Stored("token_embd.weight", "Q4_K", 4_096, 4_096 * 128_256, 1),
        Stored("blk.0.ffn_up.weight", "Q4_K", 4_096, 4_096 * 14_336, 1),
    )
    model = Model(name="a file", layers=(GQA,))
    free = Free(2**33, Fraction(1), stored)
    ((part,),) = parts(model, LlamaCppSettings(release=OLD), CARD, free)
    assert (part.kind, part.bytes / MIB) == ("exact", 258.50)
    assert parts(model, LlamaCppSettings(), CARD, Free(2**33, Fraction(1))) == ((),)


def test_fit_has_it_beside_the_cells() -> None:
    asked: dict[str, Any] = {"gpu": "rtx-4090", "gpus": 1, "context": 32_768}
    fit = kvcalc.fit(load("llama-3.1-8b"), engine=f"llama.cpp@{OLD}", **asked)
    (part,) = (part for part in fit.parts if part.name == "compute buffer")
    whole = kvcalc.fit(load("llama-3.1-8b"), engine=f"llama.cpp@{OLD}", reserve=0, **asked)
    assert whole.cache_memory_per_gpu - fit.cache_memory_per_gpu == part.bytes
