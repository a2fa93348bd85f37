"""Amounts as people write them: "256K" tokens in; "12.02 GiB" and "12,903,776,256" out."""

import re
from typing import TYPE_CHECKING

from kvcalc.errors import RequestError, quote
from kvcalc.warned import warn

if TYPE_CHECKING:
    from fractions import Fraction

MOST = 10**50
"""The largest amount that is taken: far past any memory in bytes, and still a number to read."""

TOKEN_SUFFIXES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
BYTE_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
MEMORY_UNITS: dict[str, int] = {"B": 1} | {
    f"{letter}{kind}": base**power
    for power, letter in enumerate("KMGTP", 1)
    for kind, base in (("B", 1000), ("iB", 1024))
}


class AmountWarning(UserWarning):
    """An amount that can be read two ways; the text says how it was, and how to be exact."""


class TokensWarning(AmountWarning):
    """A count of tokens such as "128k": read as 128K."""


class MemoryWarning(AmountWarning):
    """A memory size such as "24G": read as 24GB."""


DIGITS = "[0-9]{1,3}(?:,[0-9]{3}){1,12}|[0-9]{1,3}(?:_[0-9]{3}){1,12}|[0-9]{1,40}"


NUMBER = (
    r"[+-]?[0-9]{1,30}(?:/(?P<divisor>[0-9]{1,30})"
    r"|(?:\.[0-9]{0,30})?(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?)"
)


def parse_tokens(text: str, option: str = "tokens") -> int:
    """Read a count such as "8192", "8,192", "8_192" or "256K" (K, M, G are powers of 1024).

    A small k, m or g is read as a large one, with a `TokensWarning`.

    Raises:
        RequestError: it is not such a count, or less than 1.
    """
    match = re.fullmatch(f"({DIGITS})([KMGkmg]?)", text.strip())
    if match is None:
        raise RequestError.of(
            option, text, "a whole number such as 8192 or 256K (K, M, G: powers of 1024)"
        )
    number, suffix = int(re.sub("[,_]", "", match[1])), match[2]
    count = number * TOKEN_SUFFIXES[suffix.upper()]
    if count < 1:
        raise RequestError.of(option, text, "at least 1")
    if suffix.islower():
        power = 1000 ** "kmg".index(suffix) * 1000
        warn(
            f"{option}: {quote(text)} is read as {number}{suffix.upper()} ({count:,}); to be exact "
            f"write {number}{suffix.upper()}, or {number * power}",
            TokensWarning,
        )
    return count


def parse_memory(text: str, option: str = "memory") -> int:
    """Read a memory size such as "141GB" (10^9) or "131.5 GiB" (2^30) into bytes, rounded down.

    A bare letter, as in "24G" or "19.8g", is read as a power of 1000, with a `MemoryWarning`.

    Raises:
        RequestError: it is not such a size.
    """
    match = re.fullmatch(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?\s?([A-Za-z]{0,3})", text.strip())
    if match is None:
        raise RequestError.of(option, text, "a size such as 141GB or 131GiB")
    unit, part = match[3], match[2] or ""
    if unit not in MEMORY_UNITS and match[0] != "0":
        if len(unit) != 1 or unit.upper() not in "KMGTP":
            raise RequestError.of(option, text, "a size such as 141GB or 131GiB")
        number = match[1] + (f".{part}" if part else "")
        thousands, binary = (f"{number}{unit.upper()}{kind}" for kind in ("B", "iB"))
        size = parse_memory(thousands)
        warn(
            f"{option}: {quote(text)} is read as {thousands} ({size:,} bytes); to be exact write "
            f"{thousands}, or {binary} ({parse_memory(binary):,} bytes)",
            MemoryWarning,
        )
        return size
    scale: int = 10 ** len(part)
    return int(match[1] + part) * MEMORY_UNITS.get(unit, 1) // scale


def binary_size(size_bytes: int) -> str:
    """Write a byte count in its largest binary unit, to two decimals: "12.02 GiB"."""
    step = min(max(size_bytes.bit_length() - 1, 0) // 10, len(BYTE_UNITS) - 1)
    if step == 0:
        return f"{size_bytes} bytes"
    if (
        step < len(BYTE_UNITS) - 1
        and size_bytes * 100 + (1 << 10 * step - 1) >> 10 * step >= 102_400
    ):
        step += 1  # it would round to 1,024.00
    hundredths = (size_bytes * 100 + (1 << 10 * step - 1)) >> 10 * step
    return f"{hundredths // 100:,}.{hundredths % 100:02d} {BYTE_UNITS[step]}"


def parse_number(text: str) -> "Fraction | None":
    """Read a decimal number exactly, of at most 30 digits and an exponent of at most 30.

    A fraction such as 1000/3 is a number too; None is what is none.
    """
    from fractions import Fraction

    match = re.fullmatch(NUMBER, text.strip()) if len(text) <= 100 else None
    if match is None or abs(int(match["exponent"] or 0)) > 30 or not int(match["divisor"] or 1):
        return None
    return Fraction(match[0])


def format_bytes(size_bytes: int) -> str:
    """Write a byte count exactly, and in its binary unit: "12,903,776,256 (12.02 GiB)"."""
    return (
        f"{size_bytes:,} ({binary_size(size_bytes)})" if size_bytes >= 1024 else f"{size_bytes:,}"
    )


def percent(part: int, whole: int) -> str:
    """Write a share to one decimal, rounded half up: "96.9 %"."""
    thousandths = (part * 2000 + whole) // (2 * whole) if whole else 0
    return f"{thousandths // 10}.{thousandths % 10} %"


def plural(number: int, noun: str) -> str:
    """Write a count with its noun: "1 sequence", "16 sequences"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def at_version(engine: str, version: str) -> str:
    """Name an engine with the release that an answer holds for; "-" and "" are no release."""
    return engine if version in ("", "-") else f"{engine} {version}"
