"""Lists of windows, one a layer, and MTP's layers with a type or window of their own."""

from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.errors import KvcalcError
from kvcalc.layers.layer import Layer
from kvcalc.outputs.preset import to_preset
from kvcalc.readers import read
from kvcalc.readers.huggingface import reading_of
from tests.each import each

CHECKPOINTS = Path("tests/oracles/configs/checkpoints")
MOE = {
    "model_type": "exaone_moe",
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_size": 64,
    "sliding_window": 16,
}
FULL, SLIDING = "full_attention", "sliding_attention"


def model_of(**more: Any) -> kvcalc.Model:
    return reading_of(MOE | more, "m", "config.json").model


def windows(layers: tuple[Layer, ...]) -> list[int]:
    return [layer.attention_window or 0 for layer in layers]


def test_k_exaone_2_has_57_windows_of_128_and_one_of_4096() -> None:
    model = kvcalc.load(CHECKPOINTS / "k-exaone-2.0-like.json")
    found = windows(model.layers)
    assert [found.count(window) for window in (0, 128, 4_096)] == [20, 57, 1]
    assert kvcalc.cost(model)(8_192) == 717_750_272
    assert kvcalc.cost(model, "vllm")(131_072) == 14_680_195_072
    assert windows(model.mtp_layers) == [0]


def test_null_is_full_too() -> None:
    model = kvcalc.load(CHECKPOINTS / "k-exaone-two-windows.json")
    found = windows(model.layers)
    assert [found.count(window) for window in (0, 128, 4_096)] == [12, 18, 18]


@each(
    ("more", "expected"),
    [
        ({"sliding_windows": [8, 4, 0, None]}, [8, 4, 0, 0]),
        ({"layer_window_sizes": [8, 4, 0, 2]}, [8, 4, 0, 2]),
        ({"sliding_window": [8, 0, 0, 8]}, [8, 0, 0, 8]),
        (
            {"sliding_windows": [8, 0, 8, 8], "layer_types": [SLIDING, SLIDING, FULL, SLIDING]},
            [8, 0, 0, 8],
        ),
        ({"sliding_windows": [8] * 4, "sliding_window_sizes": [8] * 4}, [8] * 4),
        ({}, [16, 16, 16, 0]),
    ],
)
def test_each_layer_has_the_window_that_the_list_says(
    more: dict[str, Any], expected: list[int]
) -> None:
    assert windows(model_of(**more).layers) == expected


@each(
    ("more", "said"),
    [
        ({"sliding_windows": [8]}, "sliding_windows: found 1 windows, expected one a layer, 4"),
        ({"sliding_windows": [8, 8, 8, -1]}, "sliding_windows: found -1, expected a window"),
        ({"sliding_windows": [8, 8, 8, True]}, "sliding_windows: found True, expected a window"),
        (
            {"sliding_windows": [8] * 4, "layer_window_sizes": [4] * 4},
            "sliding_windows and layer_window_sizes: found other windows in one",
        ),
        ({"window_per_layer": [8] * 4}, "'window_per_layer': describes layers, and no rule reads"),
        (
            {"mtp_layer_types": [FULL], "mtp_sliding_windows": [0, 0]},
            "mtp_sliding_windows: found 2",
        ),
    ],
)
def test_a_list_that_does_not_fit_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(KvcalcError, match=said):
        model_of(**more)


@each(
    ("more", "expected"),
    [
        ({}, []),
        ({"mtp_layer_types": [FULL], "mtp_sliding_windows": [0]}, [0]),
        ({"mtp_layer_types": [SLIDING, FULL], "mtp_sliding_windows": [8, 8]}, [8, 0]),
        ({"mtp_layer_types": [SLIDING]}, [16]),
        ({"mtp_layer_types": [SLIDING], "sliding_windows": [4, 8, 8, 8]}, [4]),
        ({"mtp_sliding_windows": [8]}, [8]),  # the kind of the layer 0 of the trunk, which slides
        ({"mtp_layer_types": ["mamba"]}, []),
    ],
)
def test_mtp_layers_have_the_types_and_windows_of_their_own(
    more: dict[str, Any], expected: list[int]
) -> None:
    assert windows(model_of(num_nextn_predict_layers=1, **more).mtp_layers) == expected


def test_another_window_is_theirs_too() -> None:
    model = model_of(mtp_layer_types=[SLIDING, FULL])
    assert windows(model.with_window(4).mtp_layers) == [4, 0]
    assert windows(model.with_full_attention().mtp_layers) == [0, 0]


@pytest.mark.parametrize("trunk", [[16, 16, 16, 16], [16, 16, 16, 0]])
def test_a_preset_carries_them(tmp_path: Path, trunk: list[int]) -> None:
    reading = reading_of(
        MOE | {"sliding_windows": trunk, "mtp_layer_types": [FULL]}, "m", "config.json"
    )
    path = tmp_path / "m.toml"
    path.write_text(to_preset(reading), encoding="utf-8")
    assert read(path).model == reading.model
