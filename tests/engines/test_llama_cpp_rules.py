"""llama.cpp's rules, worked by hand: K-EXAONE's figures, laws, refusals, devices, explanations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.costs import Cost
from kvcalc.engines.llama_cpp.devices import devices
from kvcalc.engines.llama_cpp.loading import last_attention, load
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.layers.composed import NoCache
from kvcalc.layers.cross import CrossAttention
from kvcalc.layers.latent import CompressedAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import CarriedRow, Mlstm, ShortConvolution
from kvcalc.model import Model
from kvcalc.readers.huggingface import reading_of
from tests.each import each
from tests.engines.test_llama_cpp import from_config, from_gguf
from tests.shapes import chunked, full, latent, model, sliding

K_EXAONE = kvcalc.load("k-exaone-236b-a23b")
LONG = 262_144


def cost(of: Model, **settings: Any) -> Cost:
    return kvcalc.cost(of, engine="llama.cpp", **settings)


def config(**keys: Any) -> Model:
    return reading_of(keys, "a model", "config.json").model


@each(
    ("settings", "asked", "expected"),
    [
        ({}, {}, 12_998_148_096),
        ({}, {"window": 4096}, 13_564_379_136),
        ({"swa_full": True}, {}, 51_539_607_552),
        ({"ubatch_size": 2048}, {}, 13_224_640_512),
        ({}, {"ubatch_size": 2048}, 13_224_640_512),
        ({"ubatch_size": 4096}, {}, 13_224_640_512),  # never more than the logical batch
        ({"cache_type_k": "q8_0", "cache_type_v": "q4_0"}, {}, (12 * LONG + 36 * 768) * 1664),
    ],
)
def test_k_exaone_is_worked_at_its_longest_context(
    settings: dict[str, Any], asked: dict[str, int], expected: int
) -> None:
    assert cost(K_EXAONE, **settings)(LONG, **asked) == expected


def test_four_unified_slots_share_1024_sliding_cells() -> None:
    unified = cost(K_EXAONE, kv_unified=True)
    assert unified(LONG // 4, sequences=4) == (12 * LONG + 36 * 1024) * 4096
    assert "1,024 cells" in str(unified.explain(LONG // 4, sequences=4))


def test_the_formula_is_short_and_names_what_varies() -> None:
    assert str(cost(K_EXAONE).formula) == (
        "(36*min(ceil(context, 256), ceil(window + min(ubatch_size, 2048), 256))"
        " + 12*ceil(context, 256)) * 4096 * sequences"
    )


def test_an_answer_says_why_it_differs_and_what_it_consists_of() -> None:
    answer = cost(K_EXAONE)
    assert "a window of 128 becomes 768 cells: the micro-batch of 512" in answer.why
    assert [(step.name, step.working) for step in answer.steps] == [
        ("KV cache", "12 layers"),
        ("SWA KV cache", "36 layers"),
    ]
    text = str(answer.explain(LONG))
    assert "SWA KV cache, size" in text
    assert "8 KV heads x 128, 1,024 x f16 = 2,048 bytes" in text
    assert "share a buffer" in cost(K_EXAONE, kv_unified=True).why
    assert "swa_full" in cost(K_EXAONE, swa_full=True).why
    assert "lets no layer slide" in cost(config(model_type="mistral")).why
    assert cost(model(full())).why == "llama.cpp rounds a context up to cells of 256"


@each(
    ("settings", "name"),
    [
        ({}, "f16"),
        ({"kv_cache_dtype": "bfloat16"}, "bf16"),
        ({"kv_cache_dtype": "fp32"}, "f32"),
        ({"kv_cache_dtype": "q8_0", "cache_type_v": "q4_0"}, "q8_0/q4_0"),
        ({"cache_type_k": "bf16", "cache_type_v": "bf16"}, "bf16"),
    ],
)
def test_types_of_k_and_v_override_that_of_both(settings: dict[str, str], name: str) -> None:
    assert cost(K_EXAONE, **settings).kv_cache_dtype == name


COUNT = st.integers(1, 300_000)
SEQUENCES = st.integers(1, 64)
UBATCH = st.integers(1, 4096)


@given(COUNT, SEQUENCES, UBATCH, st.integers(1, 5000), st.booleans(), st.booleans())
def test_varying_a_formula_equals_building_it_anew(
    context: int, sequences: int, ubatch: int, window: int, unified: bool, swa_full: bool
) -> None:
    settings = {"kv_unified": unified, "swa_full": swa_full}
    varied = cost(K_EXAONE, **settings)(
        context, sequences=sequences, window=window, ubatch_size=ubatch
    )
    anew = cost(K_EXAONE.with_window(window), ubatch_size=ubatch, **settings)
    assert varied == anew(context, sequences=sequences)


@given(COUNT, SEQUENCES, UBATCH, st.integers(1, 5000), st.booleans())
def test_cells_are_those_of_llama_cpps_own_arithmetic(
    context: int, sequences: int, ubatch: int, window: int, unified: bool
) -> None:
    def pad(tokens: int) -> int:
        return -(-tokens // 256) * 256

    n_ctx = pad(context * sequences)
    cells = n_ctx if unified else pad(n_ctx // sequences)
    n_ubatch = min(ubatch, 2048, context * sequences)
    swa = pad(min(cells, window * (sequences if unified else 1) + n_ubatch))
    streams = 1 if unified else sequences
    found = cost(K_EXAONE, kv_unified=unified)(
        context, sequences=sequences, window=window, ubatch_size=ubatch
    )
    assert found == streams * (12 * cells + 36 * swa) * 4096


@given(COUNT, SEQUENCES, st.booleans())
def test_more_never_costs_less(context: int, sequences: int, unified: bool) -> None:
    of = cost(K_EXAONE, kv_unified=unified)
    less = of(context, sequences=sequences)
    assert less <= of(context + 1, sequences=sequences)
    assert less <= of(context, sequences=sequences + 1)
    assert less <= of(context, sequences=sequences, window=129)
    assert less >= kvcalc.cost(K_EXAONE)(context, sequences=sequences)


@each("type_name", ["mistral", "phi3", "phimoe", "starcoder2", "dots1"])
def test_no_layer_slides_where_llama_cpp_ignores_the_window(type_name: str) -> None:
    of = model(sliding(64), full(), model_type=type_name)
    assert cost(of)(8192) == 2 * 8192 * 4096
    assert [group.kind for group in cost(of).groups] == ["full_attention"]


@pytest.mark.parametrize("type_name", ["exaone4", "exaone4_5"])
def test_exaone_4_slides_with_64_layers_alone(type_name: str) -> None:
    long, short = [
        model(*[sliding(128)] * 3 * n, *[full()] * n, model_type=type_name) for n in (16, 8)
    ]
    assert cost(long)(8192) == (48 * 768 + 16 * 8192) * 4096
    assert cost(short)(8192) == 32 * 8192 * 4096


def test_some_windows_are_what_llama_cpps_code_says() -> None:
    scout = model(chunked(1024), full(), model_type="llama4_text")
    assert cost(scout)(2**20) == (8704 + 2**20) * 4096
    small = model(full(), sliding(64), model_type="smallthinker")
    assert cost(small)(2**20) == cost(small)(2**20, window=128) == (4608 + 2**20) * 4096
    shape = model(chunked(1024), full())
    assert cost(shape)(2**20) == (1536 + 2**20) * 4096


@each(
    ("layers", "found"),
    [
        ((sliding(512), sliding(1024)), "512 and 1,024"),
        ((sliding(512), chunked(8192)), "512 and a chunk of 8,192"),
        ((chunked(1024), chunked(8192)), "a chunk of 1,024 and a chunk of 8,192"),
    ],
)
def test_a_model_has_one_window_or_one_chunk(layers: tuple[Layer, ...], found: str) -> None:
    with pytest.raises(UnsupportedError, match=f"^window: found {found} in .*, expected one"):
        cost(model(*layers, full()))


def test_gemma_3n_holds_20_layers() -> None:
    of = model(*[full()] * 22, model_type="gemma3n_text")
    assert cost(of)(256) == 20 * 256 * 4096


def test_an_encoder_has_no_memory() -> None:
    assert cost(config(model_type="bert"))(512) == 0


def test_without_flash_attention_layers_without_heads_pad_a_value_too() -> None:
    of = model(full(), NoCache(), model_type="nemotron-nas")
    assert cost(of)(256) == 256 * 4096
    assert cost(of, flash_attn="off")(256) == 256 * (4096 + 2048)
    hybrid = model(full(), NoCache(), ShortConvolution(kernel=3, width=8), model_type="lfm2")
    assert cost(hybrid, flash_attn=False)(256) == 256 * 4096 + 4 * 16


def test_spare_states_are_kept_where_the_architecture_rolls_back() -> None:
    state = ShortConvolution(kernel=3, width=8)
    assert cost(model(state, model_type="lfm2"), n_rs_seq=2)(256, sequences=3) == 4 * 16 * 3 * 3
    assert cost(model(state, model_type="jamba"), n_rs_seq=2)(256, sequences=3) == 4 * 16 * 3


def test_a_draft_has_a_context_of_its_own() -> None:
    shape = from_gguf("Qwen3.5-27B")
    drafts = cost(shape, ctx_type="mtp")
    assert drafts(8192) == 8192 * 4 * (256 + 256) * 2
    assert cost(shape)(8192) > drafts(8192)


def test_qwen3_nexts_draft_is_one_layer_that_its_file_does_not_count() -> None:
    of = model(full(), full(), model_type="qwen3_next")
    assert of.num_nextn_predict_layers is None
    assert cost(of, ctx_type="mtp")(256) == 256 * 4096


@each(
    ("trunk", "drafts"),
    [
        ((full(kv_heads=2), sliding(kv_heads=4)), full(kv_heads=2)),
        ((full(kv_heads=2), full(kv_heads=4), NoCache()), full(kv_heads=4)),
        ((sliding(kv_heads=2), sliding(kv_heads=4)), full(kv_heads=4)),
        ((NoCache(), sliding(kv_heads=4)), full(kv_heads=4)),
    ],
)
def test_a_draft_is_the_last_layer_that_sees_all_or_else_the_last_that_slides(
    trunk: tuple[Layer, ...], drafts: Layer
) -> None:
    assert last_attention(trunk) == drafts


def test_ling_3_keeps_rows_for_its_draft_in_the_main_context() -> None:
    row = latent(kv_lora_rank=512, qk_rope_head_dim=64)
    of = model(row, model_type="bailingmoe3", num_nextn_predict_layers=1)
    assert cost(of)(256) == 2 * 256 * 576 * 2


@each(
    ("of", "settings", "named"),
    [
        (K_EXAONE, {"kv_cache_dtype": "fp8"}, "llama.cpp's cache type 'fp8' is unknown"),
        (K_EXAONE, {"tensor_parallel_size": 2}, "deals whole layers"),
        (K_EXAONE, {"ctx_type": "mtp"}, "no NextN layers"),
        (K_EXAONE, {"ctx_type": "draft"}, "ctx_type"),
        (K_EXAONE, {"cache_type_v": "q8_0", "flash_attn": False}, "needs flash_attn on"),
        (K_EXAONE, {"n_rs_seq": -1}, "n_rs_seq"),
        (K_EXAONE, {"ubatch_size": 0}, "ubatch_size"),
        (K_EXAONE, {"n_ctx": 4096}, "n_ctx"),
        (K_EXAONE, {"split_mode": "tensor", "tensor_split": "1,1"}, "split_mode"),
        (K_EXAONE, {"split_mode": "column"}, "split_mode"),
        (K_EXAONE, {"tensor_split": "0,0"}, "tensor_split"),
        (K_EXAONE, {"tensor_split": "a"}, "tensor_split"),
        (K_EXAONE, {"tensor_split": [1.0] * 17}, "tensor_split"),
        (K_EXAONE, {"tensor_split": ["inf"]}, "tensor_split"),
        (K_EXAONE, {"n_gpu_layers": -5}, "n_gpu_layers"),
        (model(full(head_dim=80)), {"kv_cache_dtype": "q8_0"}, "whole blocks of 32"),
        (
            model(full(kv_heads=1, head_dim=80)),
            {"cache_type_k": "q4_0", "flash_attn": False},
            "a row has 80 elements",
        ),
        (model(full(), model_type="grok"), {"cache_type_v": "q8_0"}, "needs flash_attn on"),
        (model(latent()), {"cache_type_k": "q8_0"}, "key and value at once"),
        (
            model(latent(), model_type="kimi_linear"),
            {"kv_cache_dtype": "q8_0"},
            "no quantised cache for Kimi-Linear",
        ),
        (config(model_type="minicpm3"), {}, "full heads"),
        (model(latent(), model_type="plm"), {}, "full heads for plm"),
        (from_config("DeepSeek-V3"), {"ctx_type": "mtp"}, "no NextN layers"),
        (
            model(full(), model_type="mimo_v2_flash", num_nextn_predict_layers=3),
            {"ctx_type": "mtp"},
            "no NextN layers",
        ),
        *(
            (
                model(full(), model_type=name, num_nextn_predict_layers=1),
                {"ctx_type": "mtp"},
                "no NextN layers",
            )
            for name in (
                *("deepseek_v3", "deepseek_v4", "kimi_k2", "kimi_k25", "minimax_m2"),
                *("minimax_m3_vl", "minimax_m3_vl_text"),
            )
        ),
        (model(sliding(64), sliding(128)), {}, "found 64 and 128"),
        (model(sliding(64), model_type="beam"), {}, "'beam'"),
        (model(Mlstm(heads=1, key_dim=1, value_dim=1)), {}, "mlstm"),
        (model(CarriedRow(elements=8)), {}, "carried_row"),
        (model(CrossAttention(kv_heads=1, head_dim=32)), {}, "cross_attention"),
        (model(CompressedAttention(head_dim=32, window=8, ratio=8)), {}, "ratio"),
        (model(CompressedAttention(head_dim=32, window=8, ratio=4)), {}, "index_head_dim"),
    ],
    ids=str,
)
def test_what_llama_cpp_cannot_do_is_refused(
    of: Model, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(KvcalcError, match=named):
        cost(of, **settings)


@each(
    ("of", "settings", "most"),
    [
        (K_EXAONE, {}, 256),
        (model(full(), model_type="t5"), {}, 1),
        (model(full(), model_type="t5"), {"kv_unified": True}, 256),
        (model(latent(), model_type="kimi_linear"), {"ubatch_size": 6}, 3),
    ],
)
def test_more_sequences_than_llama_cpp_runs_are_refused(
    of: Model, settings: dict[str, Any], most: int
) -> None:
    assert cost(of, **settings)(1000, sequences=most) > 0
    with pytest.raises(KvcalcError, match="sequences: found"):
        cost(of, **settings)(1000, sequences=most + 1)
    with pytest.raises(KvcalcError, match="sequences: found"):
        cost(of, **settings).per_gpu(1000, sequences=most + 1)


def test_settings_of_the_structure_cannot_vary_within_a_formula() -> None:
    with pytest.raises(KvcalcError, match=r"batch_size: llama\.cpp.s formula is built for one"):
        cost(K_EXAONE)(8192, batch_size=512)
    with pytest.raises(KvcalcError, match="allocates its cells for all sequences"):
        _ = cost(K_EXAONE).per_request


def dealt(of: Model, **settings: Any) -> list[int]:
    asked = LlamaCppSettings(**settings)
    return [len(places) for places in devices(load(of, asked), asked)]


@each(
    ("settings", "layers"),
    [
        ({}, [48]),
        ({"tensor_split": (1, 1)}, [25, 23]),  # 50 with the draft's layer and the output
        ({"tensor_split": "3,1"}, [38, 10]),
        ({"tensor_split": "1/0/1"}, [25, 0, 23]),
        ({"tensor_split": (1, 1), "n_gpu_layers": 10}, [5, 3]),
        ({"tensor_split": (1, 1), "n_gpu_layers": "all"}, [25, 23]),
        ({"tensor_split": (1, 1), "split_mode": "none"}, [48]),
        ({"tensor_split": (1, 1), "offload_kqv": False}, []),
    ],
)
def test_whole_layers_are_dealt_to_devices(settings: dict[str, Any], layers: list[int]) -> None:
    assert dealt(K_EXAONE, **settings) == layers


def test_the_fullest_device_is_that_of_most_bytes() -> None:
    two = cost(K_EXAONE, tensor_split=(1, 1))
    assert two(LONG) == cost(K_EXAONE)(LONG)
    # Of the first 25 layers 6 are full, of the other 23 too: 19 and 17 slide.
    assert two.per_gpu(LONG) == (6 * LONG + 19 * 768) * 4096
    lone = cost(model(*[sliding(128)] * 3, full()), tensor_split=(3, 2))
    assert lone.per_gpu(256) == 3 * 256 * 4096
    assert lone.per_gpu(LONG) == LONG * 4096
    assert cost(K_EXAONE, offload_kqv=False).per_gpu(LONG) == 0


def test_the_settings_that_differ_are_told() -> None:
    changed = cost(K_EXAONE, ubatch_size="256", kv_unified="true", tensor_split="1,1").settings
    assert changed == {"ubatch_size": 256, "kv_unified": True, "tensor_split": [1.0, 1.0]}
