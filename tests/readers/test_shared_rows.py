"""Rows without a rotary part, and rows of earlier layers, as Mistral Large 4 has them."""

from typing import Any

import pytest

import kvcalc
from kvcalc.errors import SourceError
from kvcalc.readers.huggingface import reading_of
from tests.each import each

EIGHT: dict[str, Any] = {"model_type": "mistral_large4_text", "num_hidden_layers": 8}
SHARING: dict[str, Any] = {
    "kv_source_layers": [0, 1, 2, 3, 0, 5, 6, 3],
    "indexer_types": ["full"] * 4 + ["shared", "full", "full", "shared"],
}


@pytest.mark.parametrize("model_type", ["mistral_large4", "mistral_large4_text"])
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        # Measured with transformers 5.24.0's class, in bfloat16: 10 tokens.
        ({}, 110_080),
        (SHARING, 83_200),
        # Rows of 512 elements and the 64 that rotate, and keys of 128.
        ({"no_rope_layers": [1] * 8}, 10 * 8 * 2 * (512 + 64 + 128)),
        ({"no_rope_layer_interval": 2}, 10 * 2 * (8 * (512 + 128) + 4 * 64)),
        ({"kv_source_layers": list(range(8))}, 110_080),
    ],
)
def test_what_mistral_large_4_keeps(model_type: str, more: dict[str, Any], expected: int) -> None:
    model = reading_of(EIGHT | more | {"model_type": model_type}, "m", "config.json").model
    assert kvcalc.cost(model, "transformers")(10) == expected


@each(
    ("more", "said"),
    [
        ({"kv_source_layers": [0] * 3}, "kv_source_layers: found 3, expected 8"),
        ({"kv_source_layers": [1] * 8}, "kv_source_layers: found 1 for layer 0"),
        ({"kv_source_layers": [0, 0, 1, *range(3, 8)]}, "layer 1 reads the rows of layer 0"),
        (
            SHARING | {"kv_source_layers": [0, 1, 2, 3, 0, 5, 6, 4]},
            "kv_source_layers: found 4 for layer 7, expected an earlier layer that reads its own",
        ),
        ({"no_rope_layers": [1] * 3}, "no_rope_layers: found 3, expected 8"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers: found 1000000000, expected at most"),
    ],
)
def test_what_does_not_fit_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        reading_of(EIGHT | more, "m", "config.json")
