"""Amounts as people write them: "256K" tokens in; "12.02 GiB" and "12,903,776,256" out."""

import re

from kvcalc.errors import RequestError, quote

TOKEN_SUFFIXES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
BYTE_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
MEMORY_UNITS: dict[str, int] = {"B": 1} | {
    f"{letter}{kind}": base**power
    for power, letter in enumerate("KMGTP", 1)
    for kind, base in (("B", 1000), ("iB", 1024))
}


def parse_tokens(text: str, option: str = "tokens") -> int:
    """Read a count such as "8192", "8,192" or "256K" (K, M, G are powers of 1024).

    Raises:
        RequestError: it is not such a count, or less than 1.
    """
    match = re.fullmatch(r"([0-9]{1,40}|[0-9]{1,3}(?:,[0-9]{3}){1,12})([KMG]?)", text.strip())
    if match is None:
        small = re.fullmatch(r"([0-9]{1,18})k", text.strip())
        if small:
            raise RequestError.about(
                option,
                f"{quote(text)} is read two ways; write {small[1]}K ("
                f"{int(small[1]) * 1024:,}) or {small[1]}000",
            )
        raise RequestError.of(
            option, text, "a whole number such as 8192 or 256K (K, M, G: powers of 1024)"
        )
    count = int(match[1].replace(",", "")) * TOKEN_SUFFIXES[match[2]]
    if count < 1:
        raise RequestError.of(option, text, "at least 1")
    return count


def parse_memory(text: str, option: str = "memory") -> int:
    """Read a memory size such as "141GB" (10^9) or "131.5 GiB" (2^30) into bytes, rounded down.

    Raises:
        RequestError: it is not such a size; for a bare "24G" the sentence gives both readings.
    """
    match = re.fullmatch(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?\s?([A-Za-z]{0,3})", text.strip())
    if match and (match[3] in MEMORY_UNITS or match[0] == "0"):
        part = match[2] or ""
        scale: int = 10 ** len(part)
        return int(match[1] + part) * MEMORY_UNITS.get(match[3], 1) // scale
    if match and len(match[3]) == 1 and match[3].upper() in "KMGTP":
        number = match[1] + (f".{match[2]}" if match[2] else "")
        readings = [f"{number}{match[3].upper()}{kind}" for kind in ("B", "iB")]
        sizes = " or ".join(f"{one} ({parse_memory(one):,} bytes)" for one in readings)
        raise RequestError.about(option, f"{quote(text)} is read two ways; write {sizes}")
    raise RequestError.of(option, text, "a size such as 141GB or 131GiB")


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
