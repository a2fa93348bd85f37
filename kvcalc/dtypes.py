"""KV cache element types: how many bytes a row of n elements takes."""

from typing import NamedTuple


class Dtype(NamedTuple):
    """An element type of a cache: its name as engines write it, and its size in bits."""

    name: str
    bits: int

    def row_bytes(self, elements: int) -> int:
        """Bytes of one row of `elements`, which are packed; the last byte counts whole."""
        return -(-elements * self.bits // 8)


DTYPES = {
    dtype.name: dtype
    for dtype in (
        Dtype("float32", 32),
        Dtype("bfloat16", 16),
        Dtype("float16", 16),
        Dtype("fp8", 8),
        Dtype("fp8_e4m3", 8),
        Dtype("fp8_e5m2", 8),
        Dtype("int8", 8),
        Dtype("int4", 4),
    )
}

ALIASES = {
    "f32": "float32",
    "fp32": "float32",
    "bf16": "bfloat16",
    "f16": "float16",
    "fp16": "float16",
    "half": "float16",
    "float": "float32",
}


def dtype(name: str, field: str = "dtype") -> Dtype:
    """Find an element type by its name or a short form of it (bf16, FP16, f32 ...).

    `field` is where the name was given.

    Raises:
        RequestError: there is no such element type; the sentence names the nearest.
    """
    found = DTYPES.get(ALIASES.get(name, name))
    if found is not None:
        return found
    from kvcalc.spelling import spelled, unknown

    found = DTYPES.get(spelled(name, DTYPES, ALIASES) or "")
    if found is None:
        raise unknown("element type", name, [*DTYPES, *ALIASES], field=field)
    return found
