"""Indexers whose keys stand for several tokens, against vLLM 0.33.0's own classes and planner."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.vllm.checkpoints import ON_HOPPER, OTHER_KERNELS
from kvcalc.engines.vllm.cost import cost_of
from kvcalc.engines.vllm.plan import Plan, plan
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.recurrent import GatedDeltaNet, KimiDeltaAttention
from kvcalc.model import Model
from kvcalc.readers.huggingface import reading_of
from tests.each import each
from tests.shapes import full, latent

ORACLES = Path("tests/oracles")
CHECKPOINTS = ORACLES / "configs" / "checkpoints"
CASES = json.loads((ORACLES / "vllm_pooled.json").read_text())["cases"]
GPUS = {9: "h200", 10: "b200", 12: "rtx-pro-6000"}
QWEN, GLM = "Qwen3.8-Flash-Next.json", "GLM-5.3-Flash.json"


def of(file: str, **changed: Any) -> Model:
    table = json.loads((CHECKPOINTS / file).read_text())
    text = table["text_config"] | changed
    if "layer_types" in changed:
        # What else the file says of each layer is for its own layers.
        text |= {"num_hidden_layers": len(text["layer_types"]), "indexer_types": None}
    return reading_of(table | {"text_config": text}, "m", "a case").model


def settings(case: Any) -> VllmSettings:
    given = dict(case["settings"])
    drafts = given.pop("num_speculative_tokens")
    if given.pop("prefill_kernel") == "triton":
        given["prefill_checkpoint_blocks"] = 0
    if drafts:
        given |= {"speculative_method": "mtp", "num_speculative_tokens": drafts}
    return VllmSettings(gpu=GPUS[given.pop("compute_capability")], **given)


@each("case", CASES)
def test_a_model_is_planned_as_measured(case: Any) -> None:
    model, context = of(case["file"], **case["changed"]), case["max_model_len"]
    if "refused" in case:
        with pytest.raises(UnsupportedError, match="ring of 12 tokens does not divide the block"):
            plan(model, settings(case))
        return
    planned = plan(model, settings(case))
    found = {
        "block_size": planned.block_size,
        "group_layers": [len(group.members) for group in planned.groups],
        "group_block_sizes": [group.block or context for group in planned.groups],
        "bytes_per_block": planned.bytes_per_block[0],
        "bytes_per_request": cost_of(planned).per_gpu(context),
    }
    assert found == {name: case[name] for name in found}
    assert case["bytes_per_request"] == case["bytes_per_block"] * case["blocks_per_request"]


def test_a_report_of_glm_5_3_flash() -> None:
    """vllm-project/recipes#906: 4 x H200, TP 4, a block of 1,152 tokens; 38.43 GiB: 3,511,589.

    3,081 blocks, of which a request of the model's 1,048,576 tokens takes 920: before 0.32.0 no
    block is kept for a checkpoint. The releases with one take 4 more.
    """
    given: dict[str, Any] = {"tensor_parallel_size": 4, "prefill_checkpoint_blocks": 0}
    planned = plan(of(GLM), VllmSettings(**given))
    memory = 3_081 * planned.bytes_per_block[0]
    pool = kvcalc.pool(of(GLM), "vllm", memory=memory, context=1_048_576, **given)
    assert (planned.block_size, pool.capacity_tokens) == (1_152, 3_511_589)
    request = cost_of(plan(of(GLM), VllmSettings(tensor_parallel_size=4))).per_gpu(1_048_576)
    assert request == (920 + 4) * planned.bytes_per_block[0]


def test_a_report_of_qwen3_8_flash_next() -> None:
    """vllm-project/vllm#54458: a block of 1,600 tokens, states in float32."""
    assert plan(of(QWEN, mamba_ssm_dtype="float32"), VllmSettings()).block_size == 1_600


@pytest.mark.parametrize("file", [QWEN, GLM])
def test_where_no_gpu_is_named_it_is_hopper(file: str) -> None:
    assert kvcalc.cost(of(file), "vllm")(1) == kvcalc.cost(of(file), "vllm", gpu="h200")(1)


def states_held(planned: Plan) -> set[Value]:
    """Blocks that a request has of states."""
    return {group.blocks for group in planned.groups if group.cache.kind == "mamba"}


@each(
    ("model", "gpu", "release", "block", "held"),
    [
        ("Qwen--Qwen3.5-27B", None, "0.33.0", 784, 2),
        ("Qwen--Qwen3.5-27B", "h200", "0.33.0", 832, 3),  # multiples of 64, and a checkpoint
        ("Qwen--Qwen3.5-27B", "b200", "0.33.0", 832, 3),
        ("Qwen--Qwen3.5-27B", "a100-80gb", "0.33.0", 784, 2),
        ("Qwen--Qwen3.5-27B", "mi300x", "0.33.0", 784, 2),
        ("Qwen--Qwen3.5-27B", "h200", "0.32.0", 784, 2),
        ("moonshotai--Kimi-K3", None, "0.33.0", 5_760, 2),
        ("moonshotai--Kimi-K3", "h200", "0.29.0", 5_760, 3),
        ("moonshotai--Kimi-K3", "h200", "0.28.0", 5_760, 2),
    ],
)
def test_a_kernel_that_exports_states_takes_a_block(
    model: str, gpu: str | None, release: str, block: int, held: int
) -> None:
    loaded = kvcalc.load(f"tests/oracles/configs/{model}.json")
    planned = plan(loaded, VllmSettings(gpu=gpu, release=release))
    assert (planned.block_size, states_held(planned)) == (block, {held})


def test_kernels_that_export_nothing() -> None:
    layer = KimiDeltaAttention(kernel=4, heads=32, head_dim=128)
    assert OTHER_KERNELS == ("kimi_linear", "olmo_hybrid")
    for kind in (*OTHER_KERNELS, *ON_HOPPER):
        model = Model(name="m", layers=(layer, full()), model_type=kind)
        planned = plan(model, VllmSettings(gpu="h200"))
        assert states_held(planned) == {2 if kind in OTHER_KERNELS else 3}


@each(("gpu", "held"), [(None, 3), ("h200", 3), ("b200", 2)])
def test_narrow_keys_are_exported_on_hopper_alone_which_is_taken_unless_named(
    gpu: str | None, held: int
) -> None:
    layer = GatedDeltaNet(kernel=4, key_heads=16, value_heads=32, key_dim=64, value_dim=128)
    model = Model(name="m", layers=(layer, full()), model_type=ON_HOPPER[0])
    planned = plan(model, VllmSettings(gpu=gpu))
    assert states_held(planned) == {held}


POOLED = Model(
    name="m",
    layers=(FullAttention(kv_heads=8, head_dim=128, index_head_dim=128, index_pool=4),),
)


@each(
    ("model", "given", "sentence"),
    [
        (POOLED, {"release": "0.32.0"}, "release: found 0.32.0, and kvcalc does not know how"),
        (POOLED, {"decode_context_parallel_size": 2, "tensor_parallel_size": 2}, "found 2, expe"),
        (POOLED, {"prefill_context_parallel_size": 2}, "found 2, expected 1 for m"),
        (POOLED, {"speculative_method": "eagle"}, "found eagle, expected mtp, the draft"),
        (POOLED, {"indexer_kv_dtype": "mxfp4"}, "found mxfp4, expected bfloat16 or fp8 beside"),
        (of(QWEN), {"pipeline_parallel_size": 2}, "pipeline_parallel_size: found 2, expected 1"),
        (of(GLM), {"kv_cache_dtype": "nvfp4_ds_mla", "gpu": "b200"}, "nvfp4_ds_mla, which"),
    ],
)
def test_what_vllm_refuses_beside_them(model: Model, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnsupportedError, match=sentence):
        kvcalc.cost(model, "vllm", **given)


def test_an_embedding_of_past_tokens_is_whole_on_every_rank() -> None:
    """4 hidden sizes of 2,560 over (4 - 1) * 3 tokens, in bfloat16 (model.py, PLE)."""
    planned = plan(of(QWEN), VllmSettings(tensor_parallel_size=4))
    (ple,) = (cache for _, cache in planned.caches if cache.layer == "ngram_embedding")
    assert ple.page - ple.padding == 4 * 2_560 * 9 * 2


def test_a_text_model_keeps_no_positions_beside_its_raw_keys() -> None:
    rings = {}
    for kind in ("qwen4_exp", "qwen4_exp_text"):
        planned = plan(Model(name="m", layers=POOLED.layers, model_type=kind), VllmSettings())
        rings[kind] = planned.groups[-1].cache.page, planned.groups[0].cache.page
    assert {page for pages in rings.values() for page in pages} >= {4 * 256, 4 * (256 + 24)}


@each(("drafts", "tokens"), [(0, 4), (1, 8), (4, 8), (5, 16)])
def test_a_ring_beside_latent_rows_has_a_raw_key_and_its_gate_of_each_token(
    drafts: int, tokens: int
) -> None:
    """A pool of 4 tokens, and more pools for drafts by powers of two; 128 bfloat16 each."""
    given: dict[str, Any] = {"speculative_method": "mtp", "num_speculative_tokens": drafts}
    ring = kvcalc.cost(of(GLM), "vllm", **(given if drafts else {})).groups[-1]
    (page,) = (step for step in ring.steps if step.name == "page size")
    assert page.value == tokens * 2 * 128 * 2
    assert page.working == f"{tokens} tokens x 512 bytes (a raw key)"


def test_latent_rows_without_rotary_parts_are_flashinfers_on_hopper() -> None:
    row = latent(qk_rope_head_dim=0, sparse=True)
    model = Model(name="m", layers=(row,) * 2)
    assert kvcalc.cost(model, "vllm", kv_cache_dtype="fp8")(64) == 2 * 64 * 512
    packed = kvcalc.cost(model, "vllm", kv_cache_dtype="fp8_ds_mla")
    assert packed(64) == 2 * 64 * 656
