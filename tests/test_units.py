"""Amounts in and out, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.errors import KvcalcError
from kvcalc.units import (
    AmountWarning,
    binary_size,
    format_bytes,
    parse_memory,
    parse_tokens,
    percent,
    plural,
)
from tests.each import each


@each(
    ("text", "tokens"),
    [
        ("1", 1),
        ("8192", 8_192),
        ("8,192", 8_192),
        ("262,144", 262_144),
        ("128_000", 128_000),
        (" 4096 ", 4_096),
        ("8K", 8_192),
        ("256K", 262_144),
        ("1M", 1_048_576),
        ("10M", 10_485_760),
        ("1G", 2**30),
        ("1,024K", 2**20),
        ("1" + "0" * 30, 10**30),
    ],
)
def test_a_count_of_tokens_is_read_with_powers_of_1024(text: str, tokens: int) -> None:
    assert parse_tokens(text) == tokens


@each(
    "text",
    [
        "",
        " ",
        "-5",
        "+5",
        "12Q",
        "nan",
        "inf",
        "1e400",
        "1e3",
        "8.5K",
        "8 K",
        "K",
        "8KiB",
        "8,19",
        "8_19",
        "8,192_000",
        "0x10",
        "٣",
        "²",
        "9" * 5000,
    ],
)
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(KvcalcError, match=r"^-c: found .*, expected a whole number such as 8192"):
        parse_tokens(text, "-c")


@pytest.mark.parametrize("text", ["0", "0K", "000", "0,000"])
def test_no_tokens_at_all_are_refused(text: str) -> None:
    with pytest.raises(KvcalcError, match=rf"^-c: found '{text}', expected at least 1$"):
        parse_tokens(text, "-c")


@pytest.mark.parametrize(
    ("text", "tokens", "thousands"),
    [("8k", 2**13, 8_000), ("1m", 2**20, 10**6), ("2g", 2**31, 2 * 10**9), ("1,024k", 2**20, None)],
)
def test_a_small_suffix_is_read_as_a_large_one_and_says_how_to_be_exact(
    text: str, tokens: int, thousands: int | None
) -> None:
    with pytest.warns(AmountWarning) as told:
        assert parse_tokens(text, "-c") == tokens
    (warning,) = told
    large = text.replace(",", "").upper()
    assert str(warning.message) == (
        f"-c: '{text}' is read as {large} ({tokens:,}); to be exact write {large}, "
        f"or {thousands or 1_024_000}"
    )
    assert parse_tokens(large) == tokens


@each(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.00 KiB"),
        (1536, "1.50 KiB"),
        (2**20, "1.00 MiB"),
        (421_527_552, "402.00 MiB"),
        (12_903_776_256, "12.02 GiB"),
        (51_539_607_552, "48.00 GiB"),
        (2**40, "1.00 TiB"),
        (2**50, "1.00 PiB"),
        (2**60, "1.00 EiB"),
        (2**70, "1,024.00 EiB"),
    ],
)
def test_bytes_are_written_in_their_largest_binary_unit(size: int, text: str) -> None:
    assert binary_size(size) == text


@given(st.integers(1024, 2**80))
def test_a_binary_size_is_right_to_half_a_hundredth_of_its_unit(size: int) -> None:
    number, unit = binary_size(size).replace(",", "").split()
    step = 1024 ** ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB").index(unit) * 1024
    hundredths = int(number.replace(".", ""))
    assert abs(hundredths * step - size * 100) * 2 <= step


@pytest.mark.parametrize(("size", "text"), [(1023, "1,023"), (1024, "1,024 (1.00 KiB)"), (7, "7")])
def test_the_exact_count_of_bytes_always_stands_beside_the_unit(size: int, text: str) -> None:
    assert format_bytes(size) == text


@each(
    ("part", "whole", "text"),
    [
        (31, 32, "96.9 %"),
        (0, 5, "0.0 %"),
        (5, 5, "100.0 %"),
        (1, 2000, "0.1 %"),
        (1, 2001, "0.0 %"),
        (0, 0, "0.0 %"),
    ],
)
def test_a_share_is_rounded_half_up_to_a_tenth_of_a_percent(
    part: int, whole: int, text: str
) -> None:
    assert percent(part, whole) == text


def test_nouns_are_counted_with_their_plural() -> None:
    assert [plural(number, "sequence") for number in (1, 16, 1024)] == [
        "1 sequence",
        "16 sequences",
        "1,024 sequences",
    ]


@each(
    ("text", "size_bytes"),
    [
        ("141GB", 141 * 10**9),
        ("131GiB", 131 * 2**30),
        ("131.5 GiB", 1315 * 2**30 // 10),
        ("0.1KB", 100),
        ("512MiB", 2**29),
        ("1TiB", 2**40),
        ("17B", 17),
        ("0", 0),
        ("1.0000001KB", 1000),
    ],
)
def test_a_memory_size_takes_powers_of_1000_and_of_1024(text: str, size_bytes: int) -> None:
    assert parse_memory(text) == size_bytes


@pytest.mark.parametrize("text", ["24G", "24g", "24 g"])
def test_a_bare_letter_is_read_as_a_power_of_1000_and_says_how_to_be_exact(text: str) -> None:
    with pytest.warns(AmountWarning) as told:
        assert parse_memory(text, "--gpu-memory") == 24 * 10**9
    (warning,) = told
    assert str(warning.message) == (
        f"--gpu-memory: '{text}' is read as 24GB (24,000,000,000 bytes); to be exact write 24GB, "
        "or 24GiB (25,769,803,776 bytes)"
    )


def test_a_bare_letter_keeps_its_decimals() -> None:
    with pytest.warns(AmountWarning, match=r"read as 19.8GB .* or 19.8GiB"):
        assert parse_memory("19.8g") == 19_800_000_000


@each("text", ["", "24", "-1GB", "1e3GB", "GB", "1.GB", "1 000MB", "9" * 30 + "B"])
def test_what_is_no_memory_size_is_refused(text: str) -> None:
    with pytest.raises(KvcalcError, match="expected a size such as 141GB or 131GiB"):
        parse_memory(text)
