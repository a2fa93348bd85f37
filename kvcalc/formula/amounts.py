"""One amount of what a formula is evaluated for, as an int of Python."""

from typing import Any

EXACT_FLOATS = 2**53
"""Past this a float of 64 bits skips whole numbers (IEEE 754, 53 bits of significand)."""


def element(value: Any) -> Any:
    """Turn one amount of a column into a Python int, also where the column is of whole floats."""
    value = single(value)
    if type(value) is float and value.is_integer() and abs(value) <= EXACT_FLOATS:
        return int(value)
    return value


def single(value: Any) -> Any:
    """Turn a NumPy number, or an array without dimensions, into a Python number."""
    return value.item() if getattr(value, "shape", None) == () else value
