"""What LMDeploy's PyTorch engine allocates a block, as measured, to the byte: every case."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines import ENGINES, find
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.reader import read
from kvcalc.layers.composed import NoCache
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.recurrent import GatedDeltaNet
from kvcalc.model import Model
from tests.shapes import DEEPSEEK_ROW, HEADS, chunked, full, latent, model, sliding

ORACLES = Path(__file__).parents[1] / "oracles"
CONFIGS = ORACLES / "configs"
CASES = json.loads((ORACLES / "lmdeploy.json").read_text())["cases"]


@cache
def load(name: str) -> Model:
    return kvcalc.load(str(CONFIGS / f"{name}.json"))


def cost(of: Model, **settings: Any) -> kvcalc.Cost:
    return kvcalc.cost(of, engine="lmdeploy", **settings)


def typed(name: str, *layers: Any) -> Model:
    return Model(name="a model", layers=layers, model_type=name)


def named(case: Any) -> str:
    return f"{case['model']}-{case['quant_policy']}-{case['block_size_asked']}-tp{case['tp']}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_case_allocates_what_was_measured(case: Any) -> None:
    block, tokens, ranks = case["block_bytes"], case["block_size"], case["tp"]
    settings = {
        "quant_policy": case["quant_policy"],
        "cache_block_seq_len": case["block_size_asked"],
        "tensor_parallel_size": ranks,
    }
    held = cost(load(case["model"]), **settings)
    assert held.per_gpu(tokens) == block + case["state_bytes_per_slot"]
    assert held(3 * tokens + 1, sequences=2) == 8 * block * ranks
    pool = kvcalc.pool(
        load(case["model"]), engine="lmdeploy", memory=10**12, context=tokens, **settings
    )
    assert pool.figures["bytes_per_block"] == block
    assert pool.figures["num_gpu_blocks"] == 10**12 // block


@pytest.mark.parametrize("name", sorted({case["model"] for case in CASES}))
def test_our_reader_finds_the_layers_that_were_measured(name: str) -> None:
    case = next(case for case in CASES if case["model"] == name and case["tp"] == 1)
    sizes = (case["num_key_value_heads"], case["k_head_dim"], case["v_head_dim"])
    assert len(load(name).layers) == case["num_layers"]
    for layer, _ in load(name).groups:
        if isinstance(layer, LatentAttention):
            assert (1, layer.row_elements, 0) == sizes
        else:
            assert (layer.kv_heads, layer.head_dim, layer.value_dim) == sizes  # type: ignore[attr-defined]


def test_llama_at_131072_tokens_is_the_ideal() -> None:
    llama = cost(load("meta-llama--Meta-Llama-3.1-8B"))
    assert llama(64) == 8_388_608
    assert llama(131_072) == 2048 * 8_388_608 == 17_179_869_184


@pytest.mark.parametrize(
    ("asked", "tokens", "block"),
    [
        (64, 256, 987_904),
        (256, 256, 987_904),
        (257, 384, 1_481_984),
        (300, 384, 1_481_984),
        (384, 384, 1_481_984),
        (385, 512, 1_975_808),
        (512, 512, 1_975_808),
    ],
)
def test_deepseek_v4_packs_rows_in_blocks_and_windows_in_states(
    asked: int, tokens: int, block: int
) -> None:
    flash = cost(
        load("deepseek-ai--DeepSeek-V4-Flash"), cache_block_seq_len=asked, release="0.16.0"
    )
    assert flash(tokens) == block + 15_420_416
    assert flash(tokens + 1, sequences=2) == 2 * (2 * block + 15_420_416)
    assert flash(1, window=64) == block + 15_420_416 - 43 * 64 * 584
    assert sum(group.formula(9000) for group in flash.groups) == flash(9000)


def test_a_tensor_is_rounded_up_by_itself() -> None:
    odd = model(full(kv_heads=1, head_dim=2))
    # 16 tokens of 2 elements in int8 are 32 bytes, their 2 scales 64; 4 tensors of 256.
    assert cost(odd, quant_policy=8, cache_block_seq_len=16)(1) == 4 * 256
    assert cost(odd, cache_block_seq_len=16)(1) == 2 * 256


@pytest.mark.parametrize(
    ("ranks", "working"), [(1, "32 layers x sequences"), (2, "32 layers x 2 ranks x sequences")]
)
def test_a_group_is_worked_out_over_all_ranks(ranks: int, working: str) -> None:
    (group,) = cost(load("meta-llama--Meta-Llama-3.1-8B"), tensor_parallel_size=ranks).groups
    assert group.steps[-1].working == working
    assert group.formula(64) == 8_388_608


@pytest.mark.parametrize(("blocks", "starts"), [(2, False), (3, True)])
def test_a_pool_of_fewer_than_three_blocks_does_not_start(blocks: int, starts: bool) -> None:
    """pytorch/engine/executor/base.py; one is held back."""
    llama, memory = load("meta-llama--Meta-Llama-3.1-8B"), blocks * 8_388_608
    if starts:
        pool = kvcalc.pool(llama, "lmdeploy", memory=memory, context=64)
        assert (pool.max_sequences, pool.capacity_tokens) == (2, 128)
        return
    with pytest.raises(kvcalc.KvcalcError, match="room for 2 blocks of 8,388,608 bytes"):
        kvcalc.pool(llama, "lmdeploy", memory=memory, context=64)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("none", 0),
        ("int4", 4),
        ("int8", 8),
        ("fp8", 16),
        ("fp8_e4m3", 16),
        ("FP8_E5M2", 17),
        ("turbo_quant", 42),
        ("16", 16),
    ],
)
def test_a_policy_goes_by_its_name_or_number(name: str, number: int) -> None:
    """cli/utils.py, parse_quant_policy; messages.py, QuantPolicy."""
    llama = load("meta-llama--Meta-Llama-3.1-8B")
    assert cost(llama, quant_policy=name) == cost(llama, quant_policy=number)
    assert read(f"lmdeploy serve api_server m --quant-policy {name}")[1].settings


@pytest.mark.parametrize(
    "of",
    [
        typed("gpt_oss", sliding(window=128), full()),
        typed("gemma3", sliding(window=128), full()),
        typed("llama4", chunked(chunk=8192), full()),
        model(sliding(window=128), full()),
    ],
    ids=["gpt_oss", "gemma3", "llama4", "a shape"],
)
def test_the_window_of_a_mixed_model_saves_nothing(of: Model) -> None:
    paged = cost(of)
    assert paged(9024) == cost(model(full(), full()))(9024)
    assert "the window saves nothing" in paged.why


def test_blocks_behind_the_one_window_of_all_layers_are_freed() -> None:
    mistral = cost(typed("mistral", sliding(window=4096)))
    block = 64 * 4096
    assert mistral(4096) == 64 * block
    assert mistral(4160) == 65 * block
    # 4,161 tokens are 66 blocks; of the 4,160 before the last, 64 are behind the window.
    assert mistral(4161) == 65 * block
    assert mistral(10**6) <= 66 * block
    assert mistral(4161, window=10**6) == 66 * block


@pytest.mark.parametrize(
    ("name", "layer", "token"),
    [
        # Rows of 656 bytes, and an indexer's key of 128 bytes with a scale of 4.
        ("deepseek_v32", {"release": "0.16.0"}, 656 + 132),
        ("deepseek_v32", {}, 1152 + 132),
        ("glm_moe_dsa", {}, 1152 + 132),
        ("glm_moe_dsa", {"quant_policy": 16}, 656 + 132),
    ],
)
def test_an_indexers_key_stands_beside_the_latent_row(name: str, layer: Any, token: int) -> None:
    sparse = LatentAttention(**DEEPSEEK_ROW, sparse=True, index_head_dim=128)
    assert cost(typed(name, sparse), **layer)(64) == 64 * token


def test_a_delta_nets_state_is_kept_in_two_bytes() -> None:
    qwen = cost(load("Qwen--Qwen3.5-27B"))
    columns, state = 10_240 * 4, 48 * 128 * 128
    assert qwen(64) == 16 * 64 * 4096 + 48 * 2 * (columns + state)
    halves = cost(load("Qwen--Qwen3.5-27B"), tensor_parallel_size=2)
    assert halves(64) == qwen(64)
    assert qwen.why == "blocks of 64 tokens, each tensor rounded up to 256 bytes"
    longer = cost(load("Qwen--Qwen3.5-27B"), fp32_mamba_ssm_dtype=True)
    assert longer(64) - qwen(64) == 48 * 2 * state
    line = "LMDEPLOY_FP32_MAMBA_SSM_DTYPE=1 lmdeploy serve api_server m --backend pytorch"
    asked = read(line)[1]
    assert (asked.settings, asked.notes) == ({"fp32_mamba_ssm_dtype": "1"}, [])


@pytest.mark.parametrize(
    ("dtype", "policy"),
    [("int4", 4), ("int8", "int8"), ("fp8", "16"), ("fp8_e5m2", 17), ("fp8_e4m3", "FP8")],
)
def test_an_element_type_can_be_the_name_of_a_policy(dtype: str, policy: int | str) -> None:
    by_name = cost(model(), kv_cache_dtype=dtype)
    assert by_name(9000) == cost(model(), quant_policy=policy)(9000)
    assert by_name.kv_cache_dtype == cost(model(), quant_policy=policy).kv_cache_dtype


def test_a_model_in_float32_runs_in_float16() -> None:
    assert cost(model(dtype="float32")).kv_cache_dtype == "float16"


def test_a_pool_holds_one_block_back() -> None:
    pool = kvcalc.pool(
        model(),
        engine="lmdeploy",
        memory=(11 * 64 * 4096, 10 * 64 * 4096 + 1),
        context=4 * 64 + 1,
    )
    assert (pool.bytes, pool.capacity_tokens, pool.max_sequences) == (10 * 64 * 4096, 9 * 64, 1)


@pytest.mark.parametrize(
    "name",
    [
        "LGAI-EXAONE--K-EXAONE-236B-A23B",
        "XiaomiMiMo--MiMo-V2-Flash",
        "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        "nvidia--Nemotron-H-56B-Base-8K",
        "google--gemma-4-26B-A4B",
    ],
)
def test_a_model_without_a_builder_is_refused_by_name(name: str) -> None:
    kind = load(name).model_type
    with pytest.raises(kvcalc.KvcalcError, match=f"no builder for the model type '{kind}'"):
        cost(load(name))


V4 = {"head_dim": 512, "window": 128}


@pytest.mark.parametrize(
    ("of", "settings", "sentence"),
    [
        (model(), {"quant_policy": 5}, "quant_policy: found 5"),
        (model(), {"quant_policy": "fp7"}, "quant_policy: found 'fp7'"),
        (model(), {"cache_block_seq_len": 48}, "found 48, expected a power of 2 and at least 16"),
        (model(), {"cache_block_seq_len": 8}, "cache_block_seq_len: found 8"),
        (model(), {"kv_cache_dtype": "float32"}, "kv_cache_dtype: found float32"),
        (model(), {"kv_cache_dtype": "fp8", "quant_policy": 8}, "quant_policy: found 8, but"),
        (model(), {"tensor_parallel_size": 3}, "tensor_parallel_size: found 3"),
        (model(full(query_heads=8)), {"tensor_parallel_size": 16}, "a divisor of the 8 query"),
        (kvcalc.load("deepseek-v4-flash"), {"tensor_parallel_size": 3}, "of the 64 query heads"),
        (model(full(head_dim=3)), {"quant_policy": 4}, "int4 cannot pack a head of 3 elements"),
        (typed("gemma2", full(), sliding()), {}, "one window for every layer of gemma2"),
        (typed("mixtral", latent()), {}, "does not support latent_attention layers of mixtral"),
        (model(NoCache()), {}, "lmdeploy does not support no_cache layers"),
        (model(LatentAttention(**DEEPSEEK_ROW, sparse=True)), {}, "unless the model type says"),
        (
            typed("deepseek_v32", latent(sparse=True)),
            {"cache_block_seq_len": 128},
            "cache_block_seq_len: found 128, expected 64",
        ),
        (
            typed("deepseek_v32", latent(sparse=True)),
            {"quant_policy": 8},
            "quant_policy: found 8, expected 0 or 16",
        ),
        (
            typed("deepseek_v4", CompressedAttention(**V4, ratio=8)),
            {},
            "compressed_attention layers of ratio 8 and head dim 512",
        ),
        (
            typed("deepseek_v4", CompressedAttention(**V4)),
            {"quant_policy": 8},
            "quant_policy: found 8, expected 0",
        ),
        (
            typed(
                "qwen3_5",
                *(
                    GatedDeltaNet(kernel=4, key_heads=1, value_heads=n, key_dim=8, value_dim=8)
                    for n in (1, 2)
                ),
            ),
            {},
            "gated_delta_net layers of several shapes",
        ),
        (
            typed(
                "qwen3_5",
                full(**HEADS),
                GatedDeltaNet(kernel=4, key_heads=1, value_heads=2, key_dim=8, value_dim=8),
            ),
            {"tensor_parallel_size": 2},
            "a divisor of the 1 heads of gated_delta_net",
        ),
    ],
)
def test_what_lmdeploy_cannot_do_is_refused(of: Model, settings: Any, sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=sentence):
        cost(of, **settings)


@pytest.mark.parametrize(
    ("of", "memory", "sentence"),
    [
        (load("deepseek-ai--DeepSeek-V4-Flash"), 10**12, "reserves states .* are not modelled"),
        (model(), 2 * 64 * 4096, "room for 2 blocks of 262,144 bytes"),
    ],
)
def test_a_pool_that_it_cannot_cut_is_refused(of: Model, memory: int, sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=sentence):
        kvcalc.pool(of, engine="lmdeploy", memory=memory, context=64)


def test_the_flags_of_its_server_are_known() -> None:
    command = find("lmdeploy").server
    assert command is not None
    assert ENGINES["lmdeploy"].programs == ("lmdeploy",)
    assert command.positional_model
    assert command.values["--quant-policy"] == "quant_policy"
    taken_apart = {"model", "revision", "context", "sequences", "dp", "ep", "hf_overrides"}
    assert set(command.values.values()) - taken_apart <= set(find("lmdeploy").settings.model_fields)
    assert not set(command.values) & set(command.ignored)


@pytest.mark.parametrize(("dtype", "settings"), [("auto", {}), ("float16", None)])
def test_the_servers_automatic_dtype_is_the_models(dtype: str, settings: Any) -> None:
    command = find("lmdeploy").server
    assert command is not None
    given = {"kv_cache_dtype": dtype}
    asked = command.finish(Asked(settings=dict(given)))
    assert asked.settings == (given if settings is None else settings)
    assert "PyTorch engine" in asked.notes[0]


def test_an_element_type_of_the_model_can_be_another() -> None:
    assert cost(model(), kv_cache_dtype="float16")(64) == cost(model())(64)


@pytest.mark.parametrize(
    ("line", "ranks"),
    [
        ("--tp 4", 4),
        ("--tp 4 --dp 2", 2),
        ("--ep 8", 8),
        ("--tp 2 --ep 8", 8),
        ("--tp 1 --dp 8 --ep 8", 1),
        ("--dp 2 --ep 8", 4),
    ],
)
def test_the_ranks_of_the_attention(line: str, ranks: int) -> None:
    """pytorch/config.py, DistConfig: all ranks, those of the experts if any, over --dp."""
    _, asked = read(f"lmdeploy serve api_server m --backend pytorch {line}")
    assert asked.settings.get("tensor_parallel_size", "1") == str(ranks)
    assert asked.settings.keys() <= {"tensor_parallel_size"}
    assert any("the answer is one's" in note for note in asked.notes) == ("--dp" in line)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--tp 4 --dp 3", "dp: found 3, expected a divisor of the 4 ranks"),
        ("--ep many", "ep: found 'many', expected a positive number"),
        ("--hf-overrides '{\"head_dim\": 64}'", "'head_dim' may change what the model caches"),
    ],
)
def test_what_its_server_cannot_be_read_with_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError) as refused:
        read(f"lmdeploy serve api_server m --backend pytorch {line}")
    assert sentence in str(refused.value)
