"""Reading config.json: what its keys mean, and what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.layers.attention import FullAttention, SlidingAttention
from kvcalc.layers.composed import NoCache
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.recurrent import KimiDeltaAttention
from kvcalc.readers import read
from kvcalc.readers.huggingface import reading_of
from tests.each import each
from tests.shapes import full
from tests.texts import CHARACTERS

CONFIGS = Path(__file__).parents[1] / "oracles" / "configs"
PLAIN: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_size": 64,
}

COUNTED = {**PLAIN, "vocab_size": 32, "intermediate_size": 8}
"""What parameters are counted of."""


def published(name: str) -> Any:
    return json.loads((CONFIGS / f"{name}.json").read_text())


def model_of(config: Any) -> kvcalc.Model:
    return reading_of(config, "a model", "config.json").model


@each("path", sorted(CONFIGS.glob("*.json")))
def test_every_published_file_is_read(path: Path) -> None:
    assert read(path).model.name == path.stem


def test_k_exaone_reads_the_same_from_its_pattern_alone() -> None:
    config = published("LGAI-EXAONE--K-EXAONE-236B-A23B")
    listed = model_of(config)
    del config["layer_types"]
    assert model_of(config).layers == listed.layers
    config["sliding_window_pattern"] = 4
    assert model_of(config).layers == listed.layers


def test_nemotron_nas_keeps_a_cache_where_its_blocks_attend() -> None:
    layers = model_of(published("nvidia--Llama-3_3-Nemotron-Super-49B-v1")).layers
    assert len(layers) == 80
    assert sum(layer == NoCache() for layer in layers) == 31
    assert layers[0] == FullAttention(query_heads=64, kv_heads=8, head_dim=128)


def test_kimi_k3_alternates_delta_and_latent_attention() -> None:
    layers = model_of(published("moonshotai--Kimi-K3")).layers
    delta = KimiDeltaAttention(kernel=4, heads=96, head_dim=128)
    latent = LatentAttention(query_heads=96, kv_lora_rank=512, qk_rope_head_dim=64)
    assert layers[:4] == (delta, delta, delta, latent)
    assert layers[-2:] == (latent, latent)
    assert sum(layer == delta for layer in layers) == 69


def test_minimax_m3_has_an_indexer_behind_its_first_three_layers() -> None:
    layers = model_of(published("MiniMaxAI--MiniMax-M3")).layers
    dense = FullAttention(query_heads=64, kv_heads=4, head_dim=128)
    assert layers == (dense,) * 3 + (dense.model_copy(update={"index_head_dim": 128}),) * 57


def test_step_3_7_slides_three_layers_of_four() -> None:
    layers = model_of(published("stepfun-ai--Step-3.7-Flash")).layers
    full = FullAttention(query_heads=64, kv_heads=8, head_dim=128)
    slide = SlidingAttention(query_heads=64, kv_heads=8, head_dim=128, window=512)
    assert layers == (full, slide, slide, slide) * 11 + (full,)


def test_an_unknown_model_type_is_read_by_its_keys_and_says_so() -> None:
    reading = reading_of({**PLAIN, "model_type": "brand_new"}, "new", "config.json")
    assert reading.model.layers == (FullAttention(query_heads=8, kv_heads=2, head_dim=8),) * 4
    assert reading.notes == ("model type 'brand_new' is unknown: read by its keys alone",)


def test_null_is_not_the_default_of_the_class() -> None:
    config = {**PLAIN, "model_type": "mistral"}
    assert model_of(config).window == 4096
    assert model_of({**config, "sliding_window": None}).window is None


def test_a_folder_is_read_by_its_config_and_named_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "My-Model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(PLAIN))
    assert kvcalc.load(folder).name == "My-Model"


@each(
    ("change", "sentence"),
    [
        ({"model_type": "vit"}, "model_type: 'vit' has no language model"),
        ({"layer_types": ["full_attention"]}, "layer_types: describes 1 layers, expected the 4"),
        ({"layer_types": ["magic"] * 4}, "layer_types: found 'magic', expected one of"),
        ({"layer_types": "full"}, "layer_types: found 'full', expected a list"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers: found 1000000000, expected at most"),
        ({"num_hidden_layers": float("nan")}, "num_hidden_layers: found nan"),
        ({"hidden_size": float("inf")}, "hidden_size: found inf, expected a positive integer"),
        ({"num_key_value_heads": 0}, "num_key_value_heads: found 0"),
        ({"num_key_value_heads": True}, "num_key_value_heads: found True"),
        ({"sliding_window": 4, "use_sliding_window": "false"}, "use_sliding_window: found 'false'"),
        ({"sliding_window": 4, "use_sliding_window": 0}, "found 0, expected true or false"),
        ({"multi_query": "false"}, "multi_query: found 'false', expected true or false"),
        ({**COUNTED, "tie_word_embeddings": "false"}, "tie_word_embeddings: found 'false'"),
        ({**COUNTED, "attention_bias": 1}, "attention_bias: found 1, expected true or false"),
        ({"is_encoder_decoder": "true"}, "is_encoder_decoder: found 'true', expected true"),
        ({"hybrid_magic": [1]}, "'hybrid_magic': describes layers, and no rule reads it"),
        ({"attention_pattern": "AB"}, "'attention_pattern': describes layers"),
        ({"per_layer_heads": [1]}, "'per_layer_heads': describes layers"),
        ({"sparse_magic": 3}, "'sparse_magic': describes layers"),
        ({"block_configs": [{"ffn": {}}]}, "block_configs.0: expected a table with attention"),
        ({"block_configs": [{"attention": {"sparsify": 1}}]}, "sparsify: no rule reads it"),
        ({"sliding_window_pattern": "LX", "sliding_window": 4}, "found 'LX', expected letters"),
        ({"hybrid_override_pattern": "M?"}, "hybrid_override_pattern: found 'M\\?'"),
        ({"compress_ratios": [7]}, "compress_ratios: found \\[7\\]"),
        ({"linear_attn_config": {"kda_layers": []}}, "full_attn_layers: found None"),
        ({"linear_attn_config": 7}, "linear_attn_config: found 7, expected a table"),
        ({"num_kv_shared_layers": 4}, "num_kv_shared_layers: found 4"),
        ({"linear_attn_config": {"full_attn_layers": ["1"]}}, "full_attn_layers: found \\['1'\\]"),
        ({"text_config": [1]}, "text_config: found \\[1\\], expected a table"),
        ({"num_key_value_heads_per_layer": [1]}, "'num_key_value_heads_per_layer': describes"),
        ({"interleaved_sliding_window": [1]}, "'interleaved_sliding_window': describes"),
        ({"dtype": "float99"}, "element type 'float99' is unknown"),
        ({"layer_types": ["linear_attention"] * 4}, "whose sizes the file does not give"),
        (
            {"loop_num_passes": 9999, "loop_layer_index_start": 0, "loop_layer_index_end": 4},
            "loops",
        ),
    ],
)
def test_a_bad_key_is_refused_by_its_name(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=sentence):
        model_of({**PLAIN, **change})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"num_hidden_layers": 4', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "found \\[\\], expected an object"),
        (b"{}", "there is no language model in the file"),
        (b'{"num_hidden_layers": 1' + b"0" * 5000 + b"}", "not JSON"),
        (b"\0" * (5 * 2**20), "larger than the 4,194,304 bytes"),
    ],
    ids=["truncated", "nested", "not text", "a list", "empty", "digits", "zeros"],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(kvcalc.KvcalcError, match=sentence) as refused:
        kvcalc.load(path)
    assert "\n" not in str(refused.value)


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(kvcalc.KvcalcError, match="not a regular file"):
        kvcalc.load(tmp_path)


def test_a_directory_loop_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to(tmp_path / "config.json")
    with pytest.raises(kvcalc.KvcalcError):
        kvcalc.load(tmp_path / "config.json")


def test_control_codes_in_a_folders_name_are_written_out(tmp_path: Path) -> None:
    folder = tmp_path / "\x1b[31mred"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(PLAIN))
    assert kvcalc.load(folder).name == r"\x1b[31mred"


KEYS = [
    *("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size", "head_dim"),
    *("layer_types", "sliding_window", "sliding_window_pattern", "attention_chunk_size"),
    *("kv_lora_rank", "qk_rope_head_dim", "index_head_dim", "indexer_types", "index_topk_freq"),
    *("hybrid_override_pattern", "compress_ratios", "compress_rates", "hybrid_layer_pattern"),
    *("linear_attn_config", "sparse_attention_config", "block_configs", "per_layer_config"),
    *("no_rope_layers", "full_attention_interval", "attn_layer_period", "attn_layer_offset"),
    *("num_kv_shared_layers", "global_head_dim", "swa_head_dim", "use_sliding_window"),
    *("max_window_layers", "conv_kernel", "state_size", "mamba_num_heads", "mamba_n_groups"),
    *(
        "mamba_expand",
        "conv_L_cache",
        "n_recurrent_loops",
        "n_input_layers",
        "dtype",
        "text_config",
    ),
    *("loop_num_passes", "loop_layer_index_start", "loop_layer_index_end", "cca_time0"),
]
_plain = (
    st.none() | st.booleans() | st.integers(-2, 64) | st.floats() | st.text(CHARACTERS, max_size=5)
)
_kinds = st.sampled_from(["full_attention", "sliding_attention", "mamba", "moe", "hybrid", "x"])
_values = (
    _plain
    | st.lists(_plain | _kinds, max_size=4)
    | st.dictionaries(st.text(CHARACTERS, max_size=3) | st.just("attention"), _plain, max_size=3)
    | st.lists(st.dictionaries(st.just("attention"), st.just({"n_heads_in_group": 0})), max_size=2)
)


@given(
    st.dictionaries(st.sampled_from(KEYS), _values),
    st.sampled_from(["llama", "nemotron_h", "gemma3_text", "deepseek_v32", "zaya", "dory", "new"]),
)
def test_any_table_is_read_or_refused_in_a_sentence(table: dict[str, Any], kind: str) -> None:
    try:
        outcome = str(len(model_of({**PLAIN, "model_type": kind, **table}).layers))
    except kvcalc.KvcalcError as refused:
        outcome = str(refused)
    assert outcome
    assert "\n" not in outcome


EIGHT = {"num_hidden_layers": 8, "num_attention_heads": 8, "hidden_size": 64}
MAMBA = {"mamba_num_heads": 8, "mamba_head_dim": 16, "n_groups": 2, "ssm_state_size": 16}
INDEXER = {"index_head_dim": 16, "index_n_heads": 2}
SLIDES = {"num_key_value_heads": 2, "sliding_window": 32}


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        (
            {"model_type": "qwen2", **SLIDES, "use_sliding_window": False, "max_window_layers": 4},
            {"full_attention": 8},
        ),
        (
            {"model_type": "qwen2", **SLIDES, "use_sliding_window": True, "max_window_layers": 4},
            {"full_attention": 4, "sliding_attention": 4},
        ),
        (
            {"model_type": "exaone4", **SLIDES, "sliding_window": None},
            {"full_attention": 8},
        ),
        (
            {"model_type": "minimax_text_01", "attn_type_list": [0, 1] * 4},
            {"lightning_attention": 4, "full_attention": 4},
        ),
        (
            {"model_type": "lfm2", "conv_L_cache": 3, "full_attn_idxs": [2, 5]},
            {"short_convolution": 6, "full_attention": 2},
        ),
        (
            {"model_type": "mllama_text_model", "cross_attention_layers": [3]},
            {"full_attention": 7, "cross_attention": 1},
        ),
        (
            {"model_type": "gemma3n_text", **SLIDES, "num_kv_shared_layers": 3},
            {"sliding_attention": 4, "full_attention": 1, "shared_cache": 3},
        ),
        (
            {
                "model_type": "bamba",
                "attn_layer_indices": [3, 6],
                "mamba_n_heads": 8,
                "mamba_d_head": 16,
            },
            {"mamba2": 6, "full_attention": 2},
        ),
        (
            {"model_type": "jamba", "attn_layer_period": 4, "attn_layer_offset": 2},
            {"mamba": 6, "full_attention": 2},
        ),
        (
            {"model_type": "nemotron_h", "hybrid_override_pattern": "M*-EM*-E", **MAMBA},
            {"mamba2": 2, "full_attention": 2, "no_cache": 4},
        ),
        (
            {"model_type": "unknown", "layer_types": ["qwen_sparse_attention"] * 8, **INDEXER},
            {"full_attention": 8},
        ),
        (
            {"model_type": "unknown", "layer_types": ["deepseek_sparse_attention"] * 8, **INDEXER},
            {"full_attention": 8},
        ),
        (
            {"model_type": "qwen3_next", "full_attention_interval": 4},
            {"gated_delta_net": 6, "full_attention": 2},
        ),
    ],
    ids=lambda value: value.get("model_type", ""),
)
def test_keys_say_what_the_layers_are(config: dict[str, Any], kinds: dict[str, int]) -> None:
    found: dict[str, int] = {}
    for layer in model_of({**EIGHT, **config}).layers:
        found[layer.kind] = found.get(layer.kind, 0) + 1
    assert found == kinds


def test_layers_with_a_digit_string_of_any_length_are_not_looked_through() -> None:
    table = {"9" * 5000: {}, "01": {"num_key_value_heads": 1}, "2": {"num_key_value_heads": 4}}
    layers = model_of({**PLAIN, "per_layer_config": table}).layers
    assert [getattr(layer, "kv_heads", 0) for layer in layers] == [2, 1, 4, 2]


def test_multi_query_off_gives_each_head_its_own() -> None:
    config = {"model_type": "gpt_bigcode", "n_layer": 1, "n_head": 8, "n_embd": 64}
    heads = [
        model_of({**config, "multi_query": multi}).layers[0].model_dump()["kv_heads"]
        for multi in (True, False)
    ]
    assert heads == [1, 8]


def test_a_block_of_longcat_flash_attends_twice() -> None:
    config = {"model_type": "longcat_flash", "num_layers": 28, "hidden_size": 64}
    assert len(model_of(config).layers) == 56


def test_the_decoders_half_of_an_encoder_decoder_counts() -> None:
    config = {"model_type": "t5", "d_model": 64, "num_layers": 6, "num_decoder_layers": 8}
    assert len(model_of({**config, "num_heads": 4, "d_kv": 16}).layers) == 8


def test_the_sliding_layers_of_step_3_5_have_sizes_of_their_own() -> None:
    config = {
        "model_type": "step3p5",
        "num_attention_groups": 2,
        "head_dim": 16,
        "sliding_window": 32,
        "layer_types": ["full_attention", "sliding_attention"] * 4,
        "attention_other_setting": {
            "attention_type": "sliding_attention",
            "num_attention_heads": 12,
            "num_attention_groups": 4,
        },
    }
    full, slide = model_of({**EIGHT, **config}).layers[:2]
    assert full == FullAttention(query_heads=8, kv_heads=2, head_dim=16)
    assert slide == SlidingAttention(query_heads=12, kv_heads=4, head_dim=16, window=32)


@each("key", ["use_cla", "global_attn_idx", "kv_reuse_group", "mamba_d_state"])
def test_an_unknown_type_that_speaks_of_other_layers_is_refused(key: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=f"'{key}'.*no rule reads it"):
        model_of({**PLAIN, "model_type": "brand_new", key: [1]})


@each("key", ["text_config", "language_config", "llm_config", "thinker_config", "decoder"])
def test_the_language_model_may_stand_inside(key: str) -> None:
    inner = {"model_type": "llama", **EIGHT, "num_key_value_heads": 2}
    found = model_of({"model_type": "of_images_too", key: inner})
    assert len(found.layers) == 8
    assert found.layers[0] == full(kv_heads=2, head_dim=8, query_heads=8)


@each(
    ("name", "sources"),
    [
        ("T5ForConditionalGeneration", True),
        ("SpeechT5ForSpeechSeq2Seq", True),
        ("SpeechT5ForTextToSpeech", True),
        ("T5EncoderModel", False),
    ],
)
def test_an_encoder_counts_where_the_class_has_both(name: str, sources: bool) -> None:
    keys = {"model_type": "t5", "num_layers": 2, "num_heads": 8, "d_kv": 16, "d_model": 128}
    of = model_of({**keys, "is_encoder_decoder": True, "architectures": [name]})
    assert ("cross_attention" in of.kinds) == sources
