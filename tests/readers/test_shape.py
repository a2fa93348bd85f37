"""A model given by its shape alone."""

from typing import Any

import pytest

from kvcalc.errors import KvcalcError
from kvcalc.readers.shape import from_shape
from tests.each import each
from tests.shapes import full, sliding

SHAPE: dict[str, Any] = {"layers": 48, "kv_heads": 8, "head_dim": 128}


def test_a_shape_without_a_pattern_is_all_global() -> None:
    assert from_shape(**SHAPE).layers == (full(),) * 48


def test_a_pattern_of_local_and_global_layers_is_repeated() -> None:
    hybrid = from_shape(**SHAPE, pattern="LLLG", window=128)
    assert hybrid.layers == (sliding(128), sliding(128), sliding(128), full()) * 12


def test_all_layers_may_be_local() -> None:
    assert from_shape(**SHAPE, pattern="L", window=4096).layers == (sliding(4096),) * 48


def test_a_value_narrower_than_its_key_element_type_and_maximum_are_kept() -> None:
    shape = from_shape(**SHAPE, v_head_dim=64, dtype="fp8", max_context=131_072)
    assert shape.layers[0] == full(v_head_dim=64)
    assert (shape.dtype, shape.max_context) == ("fp8", 131_072)


def test_a_shape_is_of_no_model_type() -> None:
    assert from_shape(**SHAPE).model_type is None


def test_a_shape_is_named_by_itself() -> None:
    assert from_shape(**SHAPE, pattern="LLLG", window=128).name == (
        "48 layers LLLG, 8 KV heads of 128"
    )


def test_a_long_pattern_does_not_make_a_long_name() -> None:
    assert len(from_shape(**SHAPE, pattern="LG" * 5000, window=128).name) < 100


@each(
    ("fields", "sentence"),
    [
        ({"pattern": ""}, r"pattern: found '', expected letters L and G"),
        ({"pattern": "LLX"}, r"pattern: found 'LLX', expected letters L and G"),
        ({"pattern": "lllg"}, r"pattern: found 'lllg', expected letters L and G"),
        ({"pattern": "LLLG"}, r"window: found none, expected one: sliding layers are the letter L"),
        ({"pattern": "G", "window": 128}, r"window: found 128, expected none: "),
        ({"pattern": "L", "window": 0}, r"window: found 0, expected "),
        ({"layers": 0}, r"layers: found 0, expected 1 to 1,000,000"),
        ({"layers": -48}, r"layers: found -48, expected 1 to 1,000,000"),
        ({"layers": 10**6 + 1}, r"layers: found 1000001, expected 1 to 1,000,000"),
        ({"kv_heads": 0}, r"kv_heads: found 0, expected "),
        ({"head_dim": -128}, r"head_dim: found -128, expected "),
        ({"v_head_dim": 0}, r"v_head_dim: found 0, expected "),
        ({"dtype": "bf12"}, r"element type 'bf12' is unknown; did you mean bf16"),
        ({"max_context": 0}, r"max_context: found 0, expected "),
    ],
)
def test_a_shape_that_cannot_be_is_refused_with_the_field(
    fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(KvcalcError, match=f"^{sentence}"):
        from_shape(**{**SHAPE, **fields})
