"""Element types: what a row takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.dtypes import ALIASES, DTYPES, dtype
from kvcalc.errors import KvcalcError


@pytest.mark.parametrize(
    ("name", "elements", "row_bytes"),
    [
        ("float32", 128, 512),
        ("bfloat16", 128, 256),
        ("float16", 128, 256),
        ("fp8", 128, 128),
        ("fp8_e4m3", 128, 128),
        ("fp8_e5m2", 128, 128),
        ("int8", 128, 128),
        ("int4", 128, 64),
        pytest.param("int4", 1, 1, id="int4-odd-1"),
        pytest.param("int4", 127, 64, id="int4-odd-127"),
    ],
)
def test_a_row_takes_whole_bytes(name: str, elements: int, row_bytes: int) -> None:
    assert dtype(name).row_bytes(elements) == row_bytes


@given(st.sampled_from(sorted(DTYPES)), st.integers(1, 10**12))
def test_a_row_is_the_fewest_bytes_that_hold_its_bits(name: str, elements: int) -> None:
    row_bytes = dtype(name).row_bytes(elements)
    assert 8 * (row_bytes - 1) < elements * dtype(name).bits <= 8 * row_bytes


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("f32", "float32"),
        ("fp32", "float32"),
        ("bf16", "bfloat16"),
        ("f16", "float16"),
        ("fp16", "float16"),
    ],
)
def test_a_short_form_is_the_type_itself(short: str, name: str) -> None:
    assert dtype(short) is dtype(name)


@pytest.mark.parametrize("name", ["BF16", "bf-16", "BFloat16", "b_f_16"])
def test_case_and_dashes_do_not_matter(name: str) -> None:
    assert dtype(name) is dtype("bfloat16")


@pytest.mark.parametrize("name", ["", "q4_0 ", "\x1b[31m"])
def test_an_unknown_type_is_answered_with_those_known(name: str) -> None:
    with pytest.raises(KvcalcError, match=r"^element type .* is unknown; known are ") as refused:
        dtype(name)
    listed = str(refused.value).partition("known are ")[2].split(", ")
    assert set(listed) == {*DTYPES, *ALIASES}
    assert "\x1b" not in str(refused.value)
