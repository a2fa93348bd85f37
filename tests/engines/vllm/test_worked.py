"""Figures worked out one by one: K-EXAONE's, and those that other models are known by."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines.vllm.plan import plan, stage_members
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.layers.attention import FullAttention, SlidingAttention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.recurrent import Mamba2
from kvcalc.model import Model
from tests.each import each
from tests.engines.vllm.measured import more_model

CONFIGS = "tests/oracles/configs"
KEXAONE = kvcalc.load("k-exaone-236b-a23b")
QWEN = kvcalc.load(f"{CONFIGS}/Qwen--Qwen3.5-27B.json")


def asked(model: Model, **settings: Any) -> int:
    return int(kvcalc.cost(model, "vllm", **settings)(262_144))


@each(
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


@each(
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


@each(
    ("stages", "layers"),
    [
        (2, [[6, 6, 6, 6]] * 2),
        (4, [[3, 3, 3, 3]] * 4),
        (8, [[2, 2, 1, 1], [1, 1, 2, 2]] * 4),
    ],
)
def test_a_stage_keeps_its_own_layers_of_each_group(stages: int, layers: list[list[int]]) -> None:
    planned = plan(KEXAONE, VllmSettings(pipeline_parallel_size=stages))
    members = stage_members(planned.groups, planned.stages)
    assert [[len(group) for group in stage] for stage in members] == layers


@each(
    ("settings", "stages"),
    [
        ({"pipeline_parallel_size": 4}, (15, 15, 16, 15)),
        ({"pipeline_parallel_size": 4, "speculative_method": "mtp"}, (15, 15, 16, 16)),
        ({"pipeline_parallel_size": 2, "pp_layer_partition": "29,32"}, (29, 32)),
    ],
)
def test_layers_of_the_stages_of_deepseek_v3(
    settings: dict[str, Any], stages: tuple[int, ...]
) -> None:
    assert plan(kvcalc.load("deepseek-v3"), VllmSettings(**settings)).stages == stages


def groups(model: Model, **settings: Any) -> tuple[list[int], int]:
    planned = plan(model, VllmSettings(**settings))
    return [len(group.members) for group in planned.groups], planned.block_size


@each(
    ("source", "settings", "layers", "block"),
    [
        ("k-exaone-236b-a23b", {}, [12, 12, 12, 12], 16),
        (
            f"{CONFIGS}/LGAI-EXAONE--K-EXAONE-236B-A23B.json",  # without mtp_layer_types
            {"speculative_method": "mtp"},
            [10, 9, 9, 9, 12],
            16,
        ),
        ("k-exaone-236b-a23b", {"speculative_method": "mtp"}, [12, 12, 12, 13], 16),
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
        # Multiples of 128 tokens from 0.27.0 on, of 64 before.
        (f"{CONFIGS}/moonshotai--Kimi-K3.json", {"release": "0.27.0"}, [23, 23, 23, 24], 5760),
        (f"{CONFIGS}/moonshotai--Kimi-K3.json", {"release": "0.26.0"}, [23, 23, 23, 24], 5696),
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


@each(
    ("batch", "expected"), [(8192, 7_210_114_560), (1024, 1_373_068_800), (16_384, 13_881_024_000)]
)
def test_for_deepseek_v4_the_batch_is_the_cache(batch: int, expected: int) -> None:
    model = kvcalc.load(f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json")
    cost = kvcalc.cost(model, "vllm", max_num_batched_tokens=batch)
    assert cost(131_072) == expected


@pytest.mark.parametrize(
    ("encoder_tokens", "expected"), [(None, 1_415_577_600), (1500, 319_815_680)]
)
def test_whisper_is_charged_for_a_batch_of_encoded_tokens(
    encoder_tokens: int | None, expected: int
) -> None:
    whisper = more_model("Whisper-large-v3")
    cost = kvcalc.cost(whisper, "vllm", max_num_encoder_input_tokens=encoder_tokens)
    assert cost(448) == expected


@each(
    ("source", "settings", "blocks"),
    [
        ("google--gemma-4-26B-A4B", {"flash_attention_version": 4}, [128] * 5 + [256]),
        (
            "google--gemma-4-26B-A4B",
            {"flash_attention_version": 4, "block_size": 16},
            [128] * 5 + [256],
        ),
        # FlashAttention 4 reads no fp8 heads of 256.
        (
            "google--gemma-4-26B-A4B",
            {"flash_attention_version": 4, "kv_cache_dtype": "fp8"},
            [16] * 5 + [32],
        ),
        ("XiaomiMiMo--MiMo-V2-Flash", {"tensor_parallel_size": 4}, [32] + [16] * 5),
        ("XiaomiMiMo--MiMo-V2-Flash", {"tensor_parallel_size": 8}, [16] * 6),
    ],
)
def test_blocks_of_groups_that_share_a_page(
    source: str, settings: dict[str, Any], blocks: list[int]
) -> None:
    planned = plan(kvcalc.load(f"{CONFIGS}/{source}.json"), VllmSettings(**settings))
    assert [group.block for group in planned.groups] == blocks


def test_a_block_that_is_not_set_is_that_of_the_first_layers_kernels() -> None:
    """FlashAttention 4 reads blocks of 128 tokens of heads of 256, and of 16 of any others."""
    wide, narrow = FullAttention(kv_heads=1, head_dim=256), FullAttention(kv_heads=1, head_dim=128)
    for layers, tokens in (((wide, narrow), 1024), ((narrow, narrow), 1008)):
        cost = kvcalc.cost(Model(name="m", layers=layers), "vllm", flash_attention_version=4)
        assert cost(1000) == tokens * sum(2 * 2 * layer.head_dim for layer in layers)


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


@each(
    ("model", "settings", "padding"),
    [
        (KEXAONE, {}, [0, 0]),
        # 13 full layers beside 12 sliding ones: a layer's page of each sliding group is empty.
        (kvcalc.load("gpt-oss-20b"), {"speculative_method": "eagle3"}, [32_768, 0]),
        # A state of 3,207,168 bytes on a page of 784 tokens of 4,096 bytes, in 48 layers.
        (QWEN, {}, [48 * 4096, 0]),
        # 3 KV heads beside 8: 16 tokens of 1,536 bytes on a page of 65,536.
        (
            Model(
                name="m",
                layers=(
                    FullAttention(kv_heads=8, head_dim=128),
                    SlidingAttention(kv_heads=3, head_dim=128, window=128),
                ),
            ),
            {},
            [0, 40_960],
        ),
        # Nothing but states, whose pages are their own.
        (
            Model(name="m", layers=(Mamba2(kernel=4, heads=8, head_dim=64, groups=1, state=128),)),
            {},
            [0],
        ),
    ],
)
def test_the_derivation_says_the_padding(
    model: Model, settings: dict[str, Any], padding: list[int]
) -> None:
    cost = kvcalc.cost(model, "vllm", **settings)
    steps = [step for group in cost.groups for step in group.steps]
    assert [step.value for step in steps if step.name == "padding"] == padding


V4 = [(43, 128), (41, None), (21, 8), (20, 128)]


def layer(window: int) -> SlidingAttention:
    return SlidingAttention(kv_heads=8, head_dim=128, window=window)


@each(
    ("model", "groups"),
    [
        (KEXAONE, [("sliding_attention", 36, 128), ("full_attention", 12, None)]),
        (
            Model(name="m", layers=(layer(127), layer(128), layer(128))),
            [("sliding_attention", 1, 127), ("sliding_attention", 2, 128)],
        ),
        # DeepSeek V4: windows, rows beside an indexer's, and two kinds of waiting states.
        (
            kvcalc.load(f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json"),
            [("compressed_attention", layers, window) for layers, window in V4],
        ),
    ],
)
def test_the_layers_of_a_cost_are_told_by_kind_and_window(
    model: Model, groups: list[tuple[str, int, int | None]]
) -> None:
    found = kvcalc.cost(model, "vllm").groups
    assert [(group.kind, group.layers, group.window) for group in found] == groups


@each(
    ("settings", "ranks"),
    [
        ({}, []),
        ({"tensor_parallel_size": 2}, ["1 stage of 2 ranks"]),
        ({"pipeline_parallel_size": 2}, ["2 stages of 1 rank"]),
    ],
)
def test_a_block_is_added_up_where_there_are_several_ranks(
    settings: dict[str, Any], ranks: list[str]
) -> None:
    steps = kvcalc.cost(KEXAONE, "vllm", **settings).steps
    assert [step.working for step in steps if step.name == "bytes per block, all ranks"] == ranks
