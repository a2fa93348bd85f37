"""The layers that drafts add, by model type and method."""

from typing import Any

import pytest

import kvcalc
from kvcalc.checkpoint import ConfigFacts
from kvcalc.engines.vllm.caches import SlidingCache
from kvcalc.engines.vllm.drafts import draft_layers
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model
from kvcalc.readers.huggingface import reading_of
from tests.each import each
from tests.shapes import HEADS, full, latent, model, sliding

CONFIGS = "tests/oracles/configs"
ROW = {"sparse": True, "index_head_dim": 128}


def published(name: str) -> Model:
    return kvcalc.load(f"{CONFIGS}/{name}.json")


def test_of_a_file_without_its_type_k_exaones_layer_has_the_index_0_and_so_slides() -> None:
    kexaone = published("LGAI-EXAONE--K-EXAONE-236B-A23B")
    assert draft_layers(kexaone, "mtp") == (kexaone.layers[0],)
    assert kexaone.layers[0].kind == "sliding_attention"


@each(
    ("source", "release", "expected"),
    [
        ("k-exaone-236b-a23b", "0.33.0", 16_598_892_544),
        ("k-exaone-236b-a23b", "0.27.0", 16_598_892_544),
        ("k-exaone-236b-a23b", "0.26.0", 16_134_438_912),
        (f"{CONFIGS}/LGAI-EXAONE--K-EXAONE-236B-A23B.json", "0.33.0", 16_134_438_912),
    ],
)
def test_k_exaones_layer_is_full_where_the_release_reads_its_type(
    source: str, release: str, expected: int
) -> None:
    cost = kvcalc.cost(kvcalc.load(source), f"vllm@{release}", speculative_method="mtp")
    assert cost(262_144) == expected


def test_mimo_v2_gets_one_sliding_layer_whatever_its_file_says() -> None:
    mimo = published("XiaomiMiMo--MiMo-V2-Flash")
    assert mimo.num_nextn_predict_layers is None
    assert [layer.kind for layer in draft_layers(mimo, "mtp")] == ["sliding_attention"]


@each(
    ("name", "kind"),
    [
        ("deepseek-ai--DeepSeek-V3", "latent_attention"),
        ("Qwen--Qwen3.5-27B", "full_attention"),
        ("deepseek-ai--DeepSeek-V4-Flash", "compressed_attention"),
    ],
)
def test_others_get_layers_like_their_last_that_sees_all_tokens(name: str, kind: str) -> None:
    (layer,) = draft_layers(published(name), "mtp")
    assert layer.kind == kind
    assert getattr(layer, "ratio", 0) == 0


def test_a_sparse_layer_of_mtp_owns_its_indexer() -> None:
    shared = latent(sparse=True)
    glm = model(latent(**ROW), shared, model_type="glm_moe_dsa", num_nextn_predict_layers=2)
    assert draft_layers(glm, "mtp") == (latent(**ROW),) * 2


def test_an_eagle_head_has_no_indexer_beside_its_heads() -> None:
    indexed = FullAttention(**HEADS, index_head_dim=128)
    assert draft_layers(model(indexed), "eagle") == (full(),)


def test_a_model_given_by_its_layers_drafts_like_its_last() -> None:
    given = model(sliding(), full(), num_nextn_predict_layers=3)
    assert draft_layers(given, "mtp") == (full(),) * 3


@pytest.mark.parametrize("model_type", ["minimax_m2", "made_up"])
def test_a_type_that_vllm_builds_none_for_is_refused(model_type: str) -> None:
    given = model(full(), model_type=model_type, num_nextn_predict_layers=1)
    with pytest.raises(KvcalcError, match=f"builds no .* for the model type '{model_type}'"):
        draft_layers(given, "mtp")


STEP = {
    "model_type": "step3p5",
    "num_hidden_layers": 4,
    "num_nextn_predict_layers": 2,
    "num_attention_heads": 64,
    "num_attention_groups": 8,
    "head_dim": 128,
    "sliding_window": 512,
    "attention_other_setting": {
        "attention_type": "sliding_attention",
        "num_attention_heads": 96,
        "num_attention_groups": 4,
        "head_dim": 128,
    },
}
SLIDES, SEES_ALL = "sliding_attention", "full_attention"
TRUNK = [SEES_ALL, SLIDES, SLIDES, SLIDES]


@pytest.mark.parametrize(
    "said",
    [
        {"layer_types": [*TRUNK, SLIDES, SEES_ALL]},  # Step 3.5's own file
        {"layer_types": TRUNK, "mtp_layer_types": [SLIDES, SEES_ALL]},
    ],
)
def test_step_drafts_with_layers_like_the_first_of_the_types_it_says(said: dict[str, Any]) -> None:
    model = reading_of(STEP | said, "m", "config.json").model
    assert [layer.kind for layer in model.layers] == TRUNK
    assert draft_layers(model, "mtp") == (model.layers[1], model.layers[0])
    assert draft_layers(model, "mtp", published_types=False) == draft_layers(model, "mtp")


@pytest.mark.parametrize("said", [{}, {"mtp_layer_types": [SLIDES]}])
def test_step_says_the_type_of_each_layer_that_drafts(said: dict[str, Any]) -> None:
    model = reading_of(STEP | {"layer_types": TRUNK} | said, "m", "config.json").model
    with pytest.raises(KvcalcError, match=f"types of {len(said)} of its 2 multi-token-prediction"):
        draft_layers(model, "mtp")


def test_the_only_window_may_be_the_drafts() -> None:
    of = {"model_type": "step3p5", "num_nextn_predict_layers": 1, "mtp_layers": (sliding(64),)}
    cost = kvcalc.cost(model(full(), **of), "vllm", speculative_method="mtp")
    assert cost.why.startswith("16,384 tokens in flight per sliding layer, not 64")


@pytest.mark.parametrize(("said", "modules"), [(7, 7), (None, 1)])
def test_minimax_m3_drafts_with_sparse_layers_of_another_count(
    said: int | None, modules: int
) -> None:
    """Its num_nextn_predict_layers, 1 in the published file beside 7, counts none of them."""
    sparse = full(index_head_dim=128)
    given = model(
        *(full(), sparse, sparse),
        model_type="minimax_m3_vl",
        num_nextn_predict_layers=2,
        config_facts=ConfigFacts(num_mtp_modules=said),
    )
    assert draft_layers(given, "mtp") == (sparse,) * modules


def test_minimax_m3_drafts_with_no_other_layers() -> None:
    given = model(full(), model_type="minimax_m3_vl", num_nextn_predict_layers=1)
    with pytest.raises(KvcalcError, match="does not end with the sparse layer"):
        draft_layers(given, "mtp")


def test_minimax_m3_drafts_with_seven_layers() -> None:
    """67 layers of 2 x 4 x 128 elements in bfloat16, 64 of them with keys of 128 beside."""
    cost = kvcalc.cost(published("MiniMaxAI--MiniMax-M3"), "vllm", speculative_method="mtp")
    assert cost(131_072) == 131_072 * (67 * 2_048 + 64 * 256)


@each(
    ("settings", "lookahead"),
    [
        ({"speculative_method": "mtp", "num_speculative_tokens": 3}, 3),
        ({"speculative_method": "mtp", "num_speculative_tokens": 2}, 2),
        ({"speculative_method": "mtp", "num_speculative_tokens": 1}, 1),
        ({"speculative_method": "mtp"}, 1),
        ({"speculative_method": "eagle", "num_speculative_tokens": 3}, 1),
        ({"num_speculative_tokens": 3}, 1),
        *(({"num_prefill_lookahead_tokens": asked}, max(1, asked)) for asked in (0, 1, 2, 5)),
    ],
)
def test_several_modules_look_ahead_and_keep_tokens_more(
    settings: dict[str, Any], lookahead: int
) -> None:
    given = model(sliding(128), full(), num_nextn_predict_layers=3)
    planned = plan(given, VllmSettings(**settings))
    (retained,) = (
        group.cache.retained for group in planned.groups if isinstance(group.cache, SlidingCache)
    )
    shift = 2 - lookahead
    sign = f"- {shift} " if shift > 0 else f"+ {-shift} " if shift < 0 else ""
    assert str(retained) == f"window {sign}+ 2*max_num_batched_tokens"


def test_one_module_of_several_changes_nothing() -> None:
    one = model(sliding(128), full(), num_nextn_predict_layers=1)
    settings: dict[str, Any] = {"speculative_method": "mtp", "num_speculative_tokens": 3}
    cost = kvcalc.cost(one, "vllm", **settings)
    assert cost(100_000) == kvcalc.cost(model(sliding(128), full(), full()), "vllm")(100_000)


def test_drafts_sit_on_the_last_stage_and_beside_sharded_contexts_keep_theirs_whole() -> None:
    target = Model(
        name="m",
        layers=(LatentAttention(kv_lora_rank=512, qk_rope_head_dim=64),) * 61,
        num_nextn_predict_layers=1,
    )
    planned = plan(
        target,
        VllmSettings(
            speculative_method="mtp",
            tensor_parallel_size=8,
            decode_context_parallel_size=8,
            pipeline_parallel_size=2,
        ),
    )
    assert planned.stages == (31, 31)
    assert [len(group.members) for group in planned.groups] == [1] * 62
    assert [str(group.blocks) for group in planned.groups[-2:]] == [
        "cdiv(cdiv(context, 8), block_size)",
        "cdiv(context, block_size)",
    ]


@each(
    ("backend", "form", "gpu", "packed"),
    [
        # A block of 64 tokens, of 16 with ROCm: 61 rows and index keys of 132 bytes, which begin at
        # a multiple of so many rows: of 32, 1, 64, 64, 1, of 64 on Hopper only in longer blocks.
        ("FLASHINFER_MLA_SPARSE", "fp8", "b200", 150 * 32 * 576),
        ("FLASHINFER_MLA_SPARSE_SM90", "fp8_e4m3", "h200", 4_799 * 576),
        ("FLASHINFER_MLA_SPARSE_SM120", "fp8", "rtx-pro-6000", 74 * 64 * 656),
        ("FLASH_ATTN_MLA_SPARSE_FA4", "bfloat16", "b200", 68 * 64 * 1_152),
        ("ROCM_AITER_MLA_SPARSE", "fp8", "mi300x", 1_200 * 576),
        ("FLASHMLA_SPARSE", "fp8", "h200", 61 * 64 * 788),
        ("FLASHMLA_SPARSE", "fp8", "b200", 4_690 * 656),
    ],
)
def test_packed_blocks_begin_where_the_backend_reads_pages(
    backend: str, form: str, gpu: str, packed: int
) -> None:
    target = kvcalc.load("tests/oracles/configs/deepseek-ai--DeepSeek-V3.2.json")
    settings = VllmSettings(
        speculative_method="mtp",
        tensor_parallel_size=8,
        decode_context_parallel_size=8,
        attention_backend=backend,
        kv_cache_dtype=form,
        gpu=gpu,
    )
    assert plan(target, settings).bytes_per_block == (packed,)
