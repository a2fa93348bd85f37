"""Families that keep more than keys and values: what of them was run, figure by figure."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.errors import KvcalcError
from kvcalc.layers.layer import Layer
from kvcalc.readers import read
from kvcalc.readers.huggingface import reading_of
from tests.each import each

CHECKPOINTS = Path("tests/oracles/configs/checkpoints")
MIMO = "tests/oracles/configs/XiaomiMiMo--MiMo-V2-Flash.json"
MIB = 2**20
FULL, SLIDING = "full_attention", "sliding_attention"


def model_of(config: Any) -> kvcalc.Model:
    return reading_of(config, "m", "config.json").model


@each(
    ("file", "engine", "context", "bytes_held"),
    [
        # transformers 5.24.0 on the meta device
        ("GLM-5.3-Flash.json", "transformers", 5_000, 233_881_008),
        ("glm-5.3-flash-by-report.json", "transformers", 5_000, 233_881_008),
        ("Qwen3.8-Flash-Next.json", "transformers", 5_000, 254_739_664),
        ("whisper-large-v3.json", "transformers", 448, 319_160_320),
        # llama.cpp 0c1e570, on its files' metadata
        ("Qwen3.8-Flash-Next.json", "llama.cpp", 262_144, int(7_024.5703125 * MIB)),
        ("gguf/q4.gguf", "llama.cpp", 262_144, int(7_024.5703125 * MIB)),
        ("GLM-5.3-Flash.json", "llama.cpp", 8_192, int((88 + 66 + 145.5625) * MIB)),
        ("gguf/glm53.gguf", "llama.cpp", 8_192, int((88 + 66 + 145.5625) * MIB)),
    ],
)
def test_what_was_run(file: str, engine: str, context: int, bytes_held: int) -> None:
    assert kvcalc.cost(kvcalc.load(CHECKPOINTS / file), engine)(context) == bytes_held


@each(
    ("file", "mib"),
    [
        ("u_bailingmoe3", 73.265625),
        ("u_deepseek4", 101.390625),
        ("u_dflash", 32),
        ("u_eagle3", 32),
        ("u_granite", 128),
        ("u_granite_swa", 123),
        ("u_kimi-k3", 659.109375),
    ],
)
def test_keys_that_converters_write_and_no_cache_needs(file: str, mib: float) -> None:
    model = kvcalc.load(CHECKPOINTS / "gguf" / f"{file}.gguf")
    assert kvcalc.cost(model, "llama.cpp")(8_192) == mib * MIB


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("mmproj-F16", "found a projector of images or sounds, which has no cache"),
        ("lora", "found a LoRA adapter, expected the file of the model it goes on"),
    ],
)
def test_a_file_that_goes_beside_a_models_is_named(file: str, said: str) -> None:
    with pytest.raises(KvcalcError, match=said):
        kvcalc.load(CHECKPOINTS / "gguf" / f"{file}.gguf")


def test_whispers_source_may_be_given() -> None:
    cost = kvcalc.cost(kvcalc.load(CHECKPOINTS / "whisper-large-v3.json"), "transformers")
    own = 32 * 448 * 20 * 2 * 64 * 2
    assert cost(448, source=750) == own + 32 * 750 * 20 * 2 * 64 * 2


BART = {
    "model_type": "bart",
    "is_encoder_decoder": True,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "d_model": 64,
}


@each(
    ("architectures", "kinds", "note"),
    [
        (["BartForConditionalGeneration"], {FULL, "cross_attention"}, "is counted for 0 tokens"),
        (["BartForCausalLM"], {FULL}, "read as the decoder alone"),
        (None, {FULL}, "read as the decoder alone"),
    ],
)
def test_an_encoder_is_counted_or_named(
    architectures: list[str] | None, kinds: set[str], note: str
) -> None:
    reading = reading_of(BART | {"architectures": architectures}, "m", "config.json")
    assert reading.model.kinds == kinds
    assert note in reading.notes[-1]


def test_mimo_v2_is_the_same_as_transformers_writes_it_back() -> None:
    """Its sliding layers keep 8 KV heads that the file written back does not name."""
    published = json.loads(Path(MIMO).read_text())
    mine = kvcalc.load(MIMO)
    own = {key: value for key, value in published.items() if "swa_" not in key}
    own |= {"sliding_window": 129, "layer_types": [layer.kind for layer in mine.layers]}
    for key in ("sliding_window_size", "hybrid_layer_pattern"):
        own.pop(key, None)
    assert model_of(own).layers == mine.layers
    assert kvcalc.cost(model_of(own), "transformers")(64) == 14_254_080


def sliding(layers: tuple[Layer, ...]) -> str:
    return "".join("L" if layer.slides else "G" for layer in layers)


@each(
    ("more", "expected"),
    [
        ({}, "LLLGLLLG"),
        ({"first_k_dense_replace": 1}, "GLLLGLLL"),
        ({"first_k_dense_replace": 3, "prefix_dense_sliding_window_pattern": 2}, "LGLLLLGL"),
        ({"prefix_dense_sliding_window_pattern": 2}, "LLLGLLLG"),
        ({"sliding_window_pattern": 2, "first_k_dense_replace": 2}, "GGLGLGLG"),
        (
            {"layer_types": [FULL] * 7 + [SLIDING], "prefix_dense_sliding_window_pattern": 2},
            "GGGGGGGL",
        ),
    ],
)
def test_cohere2_moes_dense_layers_slide_by_a_pattern_of_their_own(
    more: dict[str, Any], expected: str
) -> None:
    config = {
        "model_type": "cohere2_moe",
        "num_hidden_layers": 8,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 8,
        "sliding_window": 16,
    }
    assert sliding(model_of(config | more).layers) == expected


@each(
    ("more", "said"),
    [
        ({"first_k_dense_replace": 9}, "num_hidden_layers: found 8, expected 9 to"),
        ({"sliding_window_pattern": 0}, "sliding_window_pattern: expected a period in layers"),
        (
            {"prefix_dense_sliding_window_pattern": "L"},
            "prefix_dense_sliding_window_pattern: expected a period",
        ),
    ],
)
def test_a_pattern_that_is_none_is_refused(more: dict[str, Any], said: str) -> None:
    config = {"model_type": "cohere2_moe", "num_hidden_layers": 8, "num_attention_heads": 4}
    with pytest.raises(KvcalcError, match=said):
        model_of(config | more)


def test_rows_without_rotary_positions_are_real() -> None:
    model = kvcalc.load(CHECKPOINTS / "GLM-5.3-Flash.json")
    assert kvcalc.cost(model)(8_192) == 11 * 8_192 * 512 * 2 + 34 * 2 * (
        3 * 8_192 * 3 + 64 * 128**2
    )


@each("places", [[0], [49], ["2"]])
def test_an_embedding_stands_at_a_layer(places: list[Any]) -> None:
    config = json.loads((CHECKPOINTS / "Qwen3.8-Flash-Next.json").read_text())
    config["text_config"]["ple_layer_ids"] = places
    with pytest.raises(KvcalcError, match="ple_layer_ids: found"):
        model_of(config)


def test_transformers_keeps_positions_of_one_embedding() -> None:
    config = json.loads((CHECKPOINTS / "Qwen3.8-Flash-Next.json").read_text())
    config["text_config"]["ple_layer_ids"] = [1, 2]
    with pytest.raises(KvcalcError, match="positions of several embeddings once: not modelled"):
        kvcalc.cost(model_of(config), "transformers")


def test_the_embedding_is_told_of_in_show() -> None:
    kinds = {layer.kind for layer in read(CHECKPOINTS / "gguf" / "q4.gguf").model.layers}
    assert kinds == {"gated_delta_net", "full_attention", "combined"}
