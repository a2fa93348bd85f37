"""The parts of vLLM's start by family: experts, towers, indexers, gated delta nets."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from kvcalc.catalogue.gpus import find
from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.engines.vllm.budget import parts, rules
from kvcalc.engines.vllm.budget.rounding import rounding
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights import weigh
from kvcalc.formula.expression import variable
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model
from kvcalc.parameters.quantization import Quantization
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tower_sizes import Tower
from kvcalc.readers import load
from tests.each import each
from tests.engines.vllm.budget_models import (
    GQA,
    LLAMA_8B,
    MIXTRAL,
    PEAK,
    ROUNDED,
    mixture,
    size,
    sizes,
    text,
)
from tests.engines.vllm.memory_rows import GIB, ROWS, card_of, settings_of

pytestmark = pytest.mark.filterwarnings("ignore::kvcalc.engines.releases.ReleaseWarning")

MLA = LatentAttention(query_heads=16, kv_lora_rank=512, qk_rope_head_dim=64)
LITE = sizes(
    hidden_size=2048,
    vocab_size=102_400,
    intermediate_size=10_944,
    dense_layers=(0,),
    experts=mixture(64, 6, 1408, 2816),
)
OSS = sizes(hidden_size=2880, vocab_size=201_088, experts=mixture(32, 4, 2880))


@each(
    ("model_type", "layer", "facts", "ranks", "peak", "outside"),
    [
        ("mixtral", GQA, MIXTRAL, 2, 1.21, 2.07),
        ("deepseek_v2", MLA, LITE, 1, 1.93, 0.26),
        ("gpt_oss", GQA, OSS, 1, 2.87, 0.25),
    ],
)
def test_start_ups_of_0_19_that_others_printed(
    model_type: str, layer: Any, facts: Sizes, ranks: int, peak: float, outside: float
) -> None:
    model = Model(name="a model", model_type=model_type, layers=(layer,) * 24, sizes=facts)
    (found,) = parts(
        model,
        VllmSettings(release="0.19.0", tensor_parallel_size=ranks, gpu="h100"),
        Card("h100", 79 * GIB, 79 * GIB),
    )
    assert size(found, *PEAK) == pytest.approx(peak, abs=0.015)
    assert size(found, "outside of PyTorch") == pytest.approx(outside, abs=0.015)


def test_gpt_oss_keeps_scales_twice_before_0_33() -> None:
    """0.19.0 on H100 printed 13.64 GiB of weights and 58.47 of pool, of 75.23 requested."""
    model = load(Path("tests/oracles/configs/openai--gpt-oss-20b.json"))
    card = Card("h100", 79 * GIB, 79 * GIB)
    settings = VllmSettings(release="0.19.0", gpu="h100")
    (found,) = parts(model, settings, card)
    loaded = weigh(model, settings)
    assert loaded is not None
    weights = loaded.bytes / GIB
    low, high = (sum(getattr(part, end) for part in found) / GIB for end in ("low", "high"))
    assert 75.23 - weights - high <= 58.47 <= 75.23 - weights - low
    kept = next(part for part in found if part.name == "scales of mxfp4")
    assert kept.bytes == 24 * 32 * 3 * 2880 * 2880 // 32
    (freed,) = parts(model, VllmSettings(gpu="h100"), card)
    assert "scales of mxfp4" not in {part.name for part in freed}
    (marlin,) = parts(model, VllmSettings(release="0.19.0", gpu="l40s"), card)
    assert "scales of mxfp4" not in {part.name for part in marlin}


@each(
    ("gpu", "padded", "batch"),
    [("h100", None, 8_192), ("a100-80gb", 2_944, 2_048), ("rtx-pro-6000", 2_944, 8_192)],
)
def test_gpt_oss_has_a_workspace_on_marlins_kernels(
    gpu: str, padded: int | None, batch: int
) -> None:
    """fused_moe/experts/marlin_moe.py: (tokens x 4 experts) x (max(N, K) + max(2N, K)) elements of
    2 bytes, N of 2,944 and K of 3,072 as they are padded; Triton's package has its own."""
    model = load(Path("tests/oracles/configs/openai--gpt-oss-20b.json"))
    (found,) = parts(model, VllmSettings(gpu=gpu), Card(gpu, 79 * GIB, 79 * GIB))
    part = next((part for part in found if part.name == "experts' workspace"), None)
    assert (part is None) == (padded is None)
    if part is not None and padded is not None:
        taken = batch * 4 * (3_072 + 2 * padded) * 2
        assert part.low <= taken <= part.high
        assert part.bytes == pytest.approx(taken, rel=0.04)


FP8 = Quantization(method="fp8", format="fp8_block", group_size=128)
GEMMA_3_TOWER = Tower(
    kind="gemma3",
    hidden_size=1152,
    num_hidden_layers=27,
    intermediate_size=4304,
    patch_size=14,
    image_size=896,
)


@pytest.mark.parametrize(
    ("hidden", "width", "batch", "peak"), [(5376, 21_504, 8192, 3.99), (2560, 10_240, 16_384, 4.11)]
)
def test_gemma_3_keeps_images_and_what_is_made_of_them(
    hidden: int, width: int, batch: int, peak: float
) -> None:
    """27B on H100 with 0.19.0 printed 3.99 GiB; the rest is the rule by hand."""
    facts = sizes(
        hidden_size=hidden, vocab_size=262_208, intermediate_size=width, tower=GEMMA_3_TOWER
    )
    model = Model(name="gemma-3", model_type="gemma3", layers=(GQA,) * 62, sizes=facts)
    settings = VllmSettings(release="0.19.0", max_num_batched_tokens=batch)
    card = Card("h100", 79 * GIB, 79 * GIB)
    (found,) = parts(model, settings, card)
    assert size(found, *PEAK) == pytest.approx(peak, abs=0.015)
    text_alone = VllmSettings(
        release="0.33.0", max_num_batched_tokens=batch, language_model_only=True
    )
    with_images = VllmSettings(release="0.33.0", max_num_batched_tokens=batch)
    (less,), (more,) = parts(model, text_alone, card), parts(model, with_images, card)
    kept = batch // 256 * 256 * hidden * 2 / GIB
    assert size(more, *PEAK) - size(less, *PEAK) == pytest.approx(kept)
    before = VllmSettings(release="0.19.0", max_num_batched_tokens=batch, language_model_only=True)
    (without,) = parts(model, before, card)
    pixels = batch // 256 * 3 * 896**2 * 2 / GIB  # which the V1 runner keeps
    assert size(found, *PEAK) - size(without, *PEAK) == pytest.approx(kept + pixels, abs=1e-9)


def test_an_expert_of_few_bits_is_an_estimate() -> None:
    card = Card("h100", 80 * GIB, 80 * GIB)
    (found,) = parts(
        Model(name="fp8", layers=(GQA,), sizes=MIXTRAL, quantization=FP8), VllmSettings(), card
    )
    assert {part.kind for part in found if part.name == "experts' workspace"} == {"estimate"}


QWEN_32B = text("qwen3-32b", hidden_size=5120, vocab_size=151_936, intermediate_size=25_600)
QWEN_30B = text("qwen3-30b-a3b", hidden_size=2048, vocab_size=151_936, experts=mixture(128, 8, 768))
LLAMA_405B = text("llama-3.1-405b", hidden_size=16_384, intermediate_size=53_248)
K_EXAONE = load("k-exaone-236b-a23b")


@each(
    ("model", "gpu", "ranks", "most", "peak", "workspace", "tables"),
    [
        (K_EXAONE, "h200", 8, None, 2.17, 1.50, 0.60),
        (K_EXAONE, "h200", 8, 256, 0.61, 1.50, 0.15),
        (K_EXAONE, "h200", 8, 64, 0.34, 1.50, 0.04),
        (LLAMA_8B, "h100", 1, None, 1.79, 0, 0.50),
        (QWEN_32B, "h100", 2, None, 2.13, 0, 0.60),
        (QWEN_30B, "h100", 1, None, 2.07, 0.50, 0.60),
        (LLAMA_405B, "h100", 8, None, 2.03, 0, 0.50),
        (LLAMA_8B, "rtx-4090", 1, None, 0.45, 0, 0.13),
    ],
)
def test_what_0_33_should_print(
    model: Model,
    gpu: str,
    ranks: int,
    most: int | None,
    peak: float,
    workspace: float,
    tables: float,
) -> None:
    """Read in the source of 0.33.0, of which no log is public."""
    settings = VllmSettings(gpu=gpu, tensor_parallel_size=ranks, max_num_seqs=most)
    (found,) = parts(model, settings, Card(gpu, 100 * GIB, 100 * GIB))
    assert size(found, "activations", "sampler") == pytest.approx(peak, abs=0.012)
    assert size(found, "experts' workspace") == pytest.approx(workspace, abs=0.005)
    assert size(found, "penalty tables") == pytest.approx(tables, abs=0.005)


def test_the_tower_of_mistral_small_is_whole_on_each_rank() -> None:
    """Starts of 0.19.0 on 1, 2 and 4 H100: weights, the peak where it is printed, and the pool."""
    own = [row for row in ROWS if row["model"] == "mistral-small-24b"]
    rows = [row for row in own if row["engine_version"] == "0.19.0" and not row["quantization"]]
    assert sorted(row["tp"] for row in rows) == [1, 2, 4]
    for row in rows:
        model, settings = load("mistral-small-3.1-24b"), settings_of(row)
        loaded = weigh(model, settings)
        assert loaded is not None
        assert model.sizes is not None
        assert model.sizes.tower is not None
        assert model.sizes.tower.kind == "pixtral"
        (over,) = rounding(model, settings)
        assert abs((loaded.bytes + over.bytes) / GIB - row["weights_gib"]) < 0.011, row["id"]
        (stage,) = parts(model, settings, card_of(row))
        peak = next(part.bytes for part in stage if part.name == "sampler")
        if row["torch_peak_increase_gib"] is not None:
            assert abs(peak / GIB - row["torch_peak_increase_gib"]) < 0.01
        left = row["requested_gib"] - loaded.bytes / GIB
        least, most = (left - sum(getattr(p, end) for p in stage) / GIB for end in ("high", "low"))
        assert least <= row["available_gib"] <= most, row["id"]


@pytest.mark.parametrize(
    ("model", "likely", "high"),
    [
        # 5 x 163,840 rows of 576 bfloat16, more than 40 x 163,840 keys of 132 bytes, fit in what
        # experts likely have; at the least these have none. The logits are 512 MiB.
        ("deepseek-v3.2", 0, 5 * 163_840 * 576 * 2 + 512 * 2**20),
        # The workspace of bfloat16 experts is sure, and larger.
        ("glm-5", 0, 512 * 2**20),
    ],
)
def test_an_indexer_shares_the_experts_workspace(model: str, likely: int, high: int) -> None:
    card = Card("h200", 140 * GIB, 141 * GIB)
    (stage,) = parts(load(model), VllmSettings(tensor_parallel_size=8, gpu="h200"), card)
    (part,) = (part for part in stage if part.name == "indexer's workspace")
    assert (part.bytes, part.low, part.high, part.kind) == (likely, 0, high, "estimate")


def test_gb10_is_known_by_its_compute_capability() -> None:
    assert find("gb10").compute_capability == "12.1"


def test_what_no_log_tells_of_is_an_estimate_with_a_wide_band() -> None:
    for gpu, capability in (("b300", "10.3"), ("b200", "10.0"), ("a100-80gb", "8.0")):
        (found,) = parts(
            LLAMA_8B,
            VllmSettings(gpu=gpu, tensor_parallel_size=4),
            Card(gpu, 100 * GIB, 100 * GIB),
        )
        outside = next(part for part in found if part.name == "outside of PyTorch")
        assert find(gpu).compute_capability == capability
        assert outside.kind == "estimate"
        assert outside.high - outside.low > GIB


@pytest.mark.parametrize(
    ("name", "total", "requested", "weights", "available", "given"),
    [
        # o03-qwen3-next: 0.10.2, before which nothing is modelled, on H200 with 2 ranks.
        (
            "qwen3-next-80b-a3b",
            *(139.81, 125.83, 74.28, 44.59),
            {"release": "0.11.2", "gpu": "h200", "tensor_parallel_size": 2},
        ),
        # o22-qwen3.6-27b: 0.27.1; its sampler's .85 GiB are those of 256 sequences, as on an A100.
        (
            "qwen3.5-27b",
            *(80.0, 73.6, 51.1, 19.54),
            {"release": "0.27.1", "gpu": "a100-80gb", "language_model_only": True},
        ),
    ],
)
def test_logs_of_gated_delta_nets_lie_in_the_band(
    name: str,
    total: float,
    requested: float,
    weights: float,
    available: float,
    given: dict[str, Any],
) -> None:
    card = Card(given["gpu"], int(total * GIB), int(total * GIB))
    (found,) = parts(load(name), VllmSettings(**given), card)
    beside = [part for part in found if part.name != ROUNDED]
    low, high = (sum(getattr(part, end) for part in beside) / GIB for end in ("low", "high"))
    assert low <= requested - weights - available <= high


@each("gpu", ["h100", "a100-80gb"])
def test_a_gated_delta_net_takes_more_outside_of_pytorch(gpu: str) -> None:
    """A fifth of a GiB likely, three at most: .54 GiB were, of which .11 are weights."""
    qwen, card = load("qwen3.5-27b"), Card(gpu, 80 * GIB, 80 * GIB)
    settings = VllmSettings(release="0.27.1", gpu=gpu, language_model_only=True)
    without = Model(**{**dict(qwen), "layers": qwen.caches_of(FullAttention)})

    def outside(model: Model) -> MemoryPart:
        (found,) = parts(model, settings, card)
        return next(part for part in found if part.name == "outside of PyTorch")

    nets, plain = outside(qwen), outside(without)
    assert nets.bytes - plain.bytes == GIB // 5
    assert (nets.low, nets.high - plain.high) == (plain.low, 6 * GIB // 10)


def test_the_sampler_of_a_gated_delta_net_is_any_models() -> None:
    """o22 printed 2.4 GiB of peak and graphs together, 1.55 of them graphs."""
    settings = VllmSettings(release="0.27.1", gpu="a100-80gb", language_model_only=True)
    card = Card("a100-80gb", 80 * GIB, 80 * GIB)
    (found,) = parts(load("qwen3.5-27b"), settings, card)
    by_name = {part.name: part for part in found}
    assert by_name["sampler"].bytes / GIB == pytest.approx(0.85 + 0.008, abs=0.01)
    graphs = by_name["CUDA graphs"]
    assert graphs.low <= 1.55 * GIB <= graphs.high
    assert by_name["outside of PyTorch"].high / GIB >= 51.66 - 51.1


@each(("release", "gpu"), [("0.26.0", "h100"), ("0.33.0", "h100"), ("0.26.0", "l4")])
def test_the_band_beside_gated_delta_nets_has_what_they_project(release: str, gpu: str) -> None:
    """Qwen3-Next on 2 ranks: 12,288 channels, and twice the values of 32 heads of 128, of bf16."""

    def over(name: str, tokens: int) -> int:
        settings = VllmSettings(
            gpu=gpu, release=release, max_num_batched_tokens=tokens, tensor_parallel_size=2
        )
        (found,) = parts(load(name), settings, Card(gpu, 80 * GIB, 80 * GIB))
        return sum(part.high - part.bytes for part in found if part.name in PEAK)

    grown = over("qwen3-next-80b-a3b", 16_384) - over("qwen3-next-80b-a3b", 8_192)
    channels, values = 2 * 16 * 128 + 32 * 128, 32 * 128
    assert grown == 8_192 * (channels + 2 * values) // 2 * 2


OPEN = {name: variable(name) for name in ("max_num_batched_tokens", "max_num_seqs")}


@each(
    "model",
    ["k-exaone-236b-a23b", "gpt-oss-20b", "gemma-3-27b", "deepseek-v3.2", "qwen3-next-80b-a3b"],
)
def test_parts_with_settings_left_open_are_those_with_them_given(model: str) -> None:
    shape, names = load(model), [*OPEN]
    for release, gpu in product(("0.19.0", "0.26.0", "0.33.0"), ("h200", "b200", "l4")):
        asked: dict[str, Any] = {"gpu": gpu, "release": release, "tensor_parallel_size": 2}
        card = Card(gpu, 0, 0)
        (left_open,) = rules(shape, VllmSettings(**asked), card, OPEN)
        for amounts in product((1, 100, 8_192), (1, 7, 250, 1_024)):
            given: dict[str, Any] = dict(zip(names, amounts, strict=True))
            (expected,) = parts(shape, VllmSettings(**asked, **given), card)
            found = [rule.at(given) for rule in left_open]
            assert [part for part in found if part.high] == [part for part in expected if part.high]
