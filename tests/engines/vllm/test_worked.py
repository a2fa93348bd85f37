"""Figures worked out one by one: K-EXAONE's, and those that other models are known by."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.layers.attention import ChunkedAttention, FullAttention
from kvcalc.model import Model

CONFIGS = "tests/oracles/configs"
KEXAONE = kvcalc.load("k-exaone-236b-a23b")


def asked(model: Model, **settings: Any) -> int:
    return int(kvcalc.cost(model, "vllm", **settings)(262_144))


@pytest.mark.parametrize(
    ("settings", "window_128", "window_4096"),
    [
        ({}, 15_322_054_656, 15_907_160_064),
        ({"async_scheduling": False}, 14_114_095_104, 14_699_200_512),
        ({"disable_hybrid_kv_cache_manager": True}, 51_539_607_552, 51_539_607_552),
        ({"max_num_batched_tokens": 2048}, 13_510_115_328, 14_095_220_736),
        ({"kv_cache_dtype": "fp8"}, 15_322_054_656 // 2, 15_907_160_064 // 2),
        ({"gpu": "h200"}, 15_322_054_656, 15_907_160_064),
        ({"gpu": "l4"}, 13_510_115_328, 14_095_220_736),
        ({"gpu": "a100-80gb"}, 13_510_115_328, 14_095_220_736),
    ],
)
def test_k_exaone_at_its_full_context(
    settings: dict[str, Any], window_128: int, window_4096: int
) -> None:
    assert asked(KEXAONE, **settings) == window_128
    assert asked(KEXAONE.with_window(4096), **settings) == window_4096


@pytest.mark.parametrize(
    ("stages", "fullest", "all_ranks"),
    [
        (2, 8_265_007_104, 16_530_014_208),
        (4, 4_736_483_328, 18_945_933_312),
        (7, 3_761_635_328, None),
        (8, 3_962_961_920, 31_703_695_360),
    ],
)
def test_k_exaone_over_pipeline_stages(stages: int, fullest: int, all_ranks: int | None) -> None:
    cost = kvcalc.cost(KEXAONE, "vllm", pipeline_parallel_size=stages)
    assert cost.per_gpu(262_144) == fullest
    if all_ranks is not None:
        assert cost(262_144) == all_ranks
    spread = kvcalc.cost(KEXAONE, "vllm", pipeline_parallel_size=stages, tensor_parallel_size=4)
    assert spread.per_gpu(262_144) == fullest // 4


def test_memory_of_exactly_one_request_is_one_block_short() -> None:
    short = kvcalc.pool(KEXAONE, "vllm", memory=15_322_054_656, context=262_144)
    assert not short.figures["fits"]
    assert short.figures["estimated_max_model_len"] == 262_128
    assert (short.max_sequences, short.figures["num_gpu_blocks"]) == (0, 19_483)
    enough = kvcalc.pool(KEXAONE, "vllm", memory=15_322_054_656 + 786_432, context=262_144)
    assert enough.figures["fits"]
    assert enough.max_sequences == 1


@pytest.mark.parametrize(
    ("context", "batch", "tokens"),
    [
        (262_144, 8192, 4_408_938),
        (1000, 8192, 1_285_019),
        (262_144, 2048, 5_000_252),
        (262_144, 16_384, 3_808_439),
    ],
)
def test_the_label_of_the_cache_size_moves_with_the_request(
    context: int, batch: int, tokens: int
) -> None:
    pool = kvcalc.pool(
        KEXAONE,
        "vllm",
        memory=60 * 2**30,
        context=context,
        tensor_parallel_size=4,
        max_num_batched_tokens=batch,
    )
    assert pool.capacity_tokens == tokens


def groups(model: Model, **settings: Any) -> tuple[list[int], int]:
    planned = plan(model, VllmSettings(**settings))
    return [len(group.members) for group in planned.groups], planned.block_size


@pytest.mark.parametrize(
    ("source", "settings", "layers", "block"),
    [
        ("k-exaone-236b-a23b", {}, [12, 12, 12, 12], 16),
        ("k-exaone-236b-a23b", {"speculative_method": "mtp"}, [10, 9, 9, 9, 12], 16),
        ("llama-3.1-8b", {"speculative_method": "eagle"}, [33], 16),
        ("gpt-oss-20b", {"speculative_method": "eagle3"}, [12, 13], 16),
        ("deepseek-v3", {}, [61], 64),
        ("deepseek-v3", {"speculative_method": "mtp"}, [62], 64),
        (f"{CONFIGS}/deepseek-ai--DeepSeek-V3.2.json", {}, [122], 64),
        (f"{CONFIGS}/deepseek-ai--DeepSeek-V3.2.json", {"speculative_method": "mtp"}, [124], 64),
        (f"{CONFIGS}/zai-org--GLM-5.json", {}, [156], 64),
        (f"{CONFIGS}/MiniMaxAI--MiniMax-M3.json", {}, [117], 128),
        (f"{CONFIGS}/Qwen--Qwen3.5-27B.json", {}, [16, 16, 16, 16], 784),
        (f"{CONFIGS}/Qwen--Qwen3.5-35B-A3B.json", {}, [10, 10, 10, 10], 1056),
        (
            f"{CONFIGS}/nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.json",
            {},
            [6, 6, 6, 5, 6],
            2096,
        ),
        (f"{CONFIGS}/moonshotai--Kimi-K3.json", {}, [23, 23, 23, 24], 5760),
        (f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json", {}, [22, 21, 62, 42, 20], 256),
        (
            f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json",
            {"speculative_method": "mtp"},
            [22, 22, 62, 42, 20],
            256,
        ),
        (f"{CONFIGS}/XiaomiMiMo--MiMo-V2-Flash.json", {}, [9, 8, 8, 8, 8, 7], 16),
    ],
)
def test_groups_and_blocks_of_published_files(
    source: str, settings: dict[str, Any], layers: list[int], block: int
) -> None:
    assert groups(kvcalc.load(source), **settings) == (layers, block)


@pytest.mark.parametrize(
    ("batch", "expected"), [(8192, 7_210_114_560), (1024, 1_373_068_800), (16_384, 13_881_024_000)]
)
def test_for_deepseek_v4_the_batch_is_the_cache(batch: int, expected: int) -> None:
    model = kvcalc.load(f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json")
    cost = kvcalc.cost(model, "vllm", max_num_batched_tokens=batch)
    assert cost(131_072) == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [("turboquant_k8v4", 7_902_068_736), ("turboquant_3bit_nc", 5_142_216_704)],
)
def test_turboquant_keeps_four_layers_of_llama(form: str, expected: int) -> None:
    cost = kvcalc.cost(kvcalc.load("llama-3.1-8b"), "vllm", kv_cache_dtype=form)
    assert cost(131_072) == expected


@pytest.mark.parametrize(
    ("layout", "expected"), [("BLHNC", 5_310_054_400), ("LBNHC", 4_239_523_840)]
)
def test_gemma_4_by_layout(layout: str, expected: int) -> None:
    model = kvcalc.load(f"{CONFIGS}/google--gemma-4-26B-A4B.json")
    assert kvcalc.cost(model, "vllm", kv_cache_layout=layout)(32_768) == expected


def test_more_ranks_than_heads_each_hold_a_copy() -> None:
    cost = kvcalc.cost(KEXAONE, "vllm", tensor_parallel_size=16)
    assert cost.per_gpu(262_144) == 15_322_054_656 // 8
    assert cost(262_144) == 2 * 15_322_054_656
    assert cost.why.endswith("; 16 ranks hold copies of 8 KV heads")


def test_latent_rows_are_the_same_on_every_rank() -> None:
    model = kvcalc.load("deepseek-v3")
    one = kvcalc.cost(model, "vllm")(163_840)
    eight = kvcalc.cost(model, "vllm", tensor_parallel_size=8)
    assert eight.per_gpu(163_840) == one
    assert eight(163_840) == 8 * one
    assert eight.why == "blocks of 64 tokens; latent rows are the same on every rank"


def test_the_formula_is_short_and_says_what_varies() -> None:
    formula = kvcalc.cost(KEXAONE, "vllm").formula
    assert len(str(formula)) <= 234
    assert formula.variables == {
        "sequences": 1,
        "max_num_batched_tokens": 8192,
        "block_size": 16,
        "window": 128,
    }


def test_of_equal_padding_the_longer_repeat_packs_a_group() -> None:
    small, large = FullAttention(kv_heads=1, head_dim=64), FullAttention(kv_heads=2, head_dim=64)
    chunked = ChunkedAttention(kv_heads=1, head_dim=64, chunk=8192)
    model = Model(name="m", layers=(small, large, chunked) * 2 + (chunked,))
    assert groups(model, kv_cache_layout="BLHNC") == ([4, 3], 16)


@pytest.mark.parametrize(
    ("model", "settings", "padding"),
    [
        (KEXAONE, {}, [0, 0]),
        # 13 full layers beside 12 sliding ones: a layer's page of each sliding group is empty.
        (kvcalc.load("gpt-oss-20b"), {"speculative_method": "eagle3"}, [32_768, 0]),
        # A state of 3,207,168 bytes on a page of 784 tokens of 4,096 bytes, in 48 layers.
        (kvcalc.load(f"{CONFIGS}/Qwen--Qwen3.5-27B.json"), {}, [48 * 4096, 0]),
    ],
)
def test_the_derivation_says_the_padding(
    model: Model, settings: dict[str, Any], padding: list[int]
) -> None:
    cost = kvcalc.cost(model, "vllm", **settings)
    steps = [step for group in cost.groups for step in group.steps]
    assert [step.value for step in steps if step.name == "padding"] == padding
