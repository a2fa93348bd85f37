"""How many bytes a token takes in each cache format.

vLLM 0.33.0: config/cache.py (the formats) and customize_spec of v1/attention/backends (how each
packs).
"""

from collections.abc import Callable
from typing import NamedTuple

from kvcalc.errors import UnsupportedError
from kvcalc.units import plural

PLAIN = {
    "float32": 4,
    "bfloat16": 2,
    "float16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
}
"""Formats of one element after another: bytes of each."""


class Heads(NamedTuple):
    """The KV heads of a layer on one rank, and the elements of a key and of a value."""

    kv_heads: int
    key: int
    value: int


def _with_scales(bits: int) -> Callable[[Heads], int]:
    """Keys and values of `bits` per element, and a float32 scale for each."""
    return lambda heads: heads.kv_heads * (heads.key * bits // 8 + heads.value * bits // 8 + 8)


def _one_size(form: str, heads: Heads) -> int:
    """The elements of a key, which are those of a value."""
    if heads.key != heads.value:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"{form} needs keys and values of one size, found {heads.key} and {heads.value}",
        )
    return heads.key


NVFP4_SCALED = 16
"""Elements that share a scale (utils/torch_utils.py, nvfp4_kv_cache_full_dim)."""


def _nvfp4(heads: Heads) -> int:
    """Half a byte per element, and a byte of scale for those that share one."""
    size = _one_size("nvfp4", heads)
    if size < NVFP4_SCALED:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"nvfp4 needs heads of {NVFP4_SCALED} elements or more, found {size}",
        )
    return 2 * heads.kv_heads * (size // 2 + size // NVFP4_SCALED)


def _turboquant(key_bits: int | None, value_bits: int) -> Callable[[Heads], int]:
    """A key of `key_bits` per element and its norm (None: a byte each), a value with two."""

    def slot(heads: Heads) -> int:
        size = _one_size("turboquant", heads)
        key = size if key_bits is None else -(-size * key_bits // 8) + 2
        value = -(-size * value_bits // 8) + 4
        return heads.kv_heads * (-(-(key + value) // 2) * 2)

    return slot


def _ultraquant(heads: Heads) -> int:
    """Half a byte per element, and a byte of scale for every 32 of them (ops/ultraquant)."""
    if heads.key != heads.value or heads.key % 32:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            "ultraquant_4bit needs keys and values of one size, a multiple of 32, found "
            f"{heads.key} and {heads.value}",
        )
    return 2 * heads.kv_heads * (heads.key // 2 + heads.key // 32)


def _octave_compact(heads: Heads) -> int:
    """Three bits per element, and two scales of 2 bytes, in fours (ops/rocm_octave.py)."""
    size = heads.key
    if size != heads.value or size % 64 or size & (size - 1):
        raise UnsupportedError.of(
            "kv_cache_dtype",
            "octave_k3v3_compact needs keys and values of one size, a power of two from 64 on, "
            f"found {size} and {heads.value}",
        )
    return heads.kv_heads * (-(-(2 * (size * 3 // 8) + 4) // 4) * 4)


PACKED: dict[str, Callable[[Heads], int]] = {
    "int8_per_token_head": _with_scales(8),
    "fp8_per_token_head": _with_scales(8),
    "int4_per_token_head": _with_scales(4),
    "nvfp4": _nvfp4,
    "nvfp4_4over6": _nvfp4,
    "turboquant_k8v4": _turboquant(None, 4),
    "turboquant_4bit_nc": _turboquant(4, 4),
    "turboquant_k3v4_nc": _turboquant(3, 4),
    "turboquant_3bit_nc": _turboquant(3, 3),
    "ultraquant_4bit": _ultraquant,
    "octave_k3v3_compact": _octave_compact,
}
"""Formats of keys and values that pack a head's own way."""

LATENT_ROWS: dict[str, int] = {"fp8_ds_mla": 656, "nvfp4_ds_mla": 352}
"""Packed rows of 512 + 64 elements (model_executor/layers/attention/mla_attention.py)."""

COMPRESSED_ROWS: dict[str, int] = {"fp8_ds_mla": 584}
"""Packed rows of 512 elements (DeepSeek V4; v1/attention/backends/mla/sparse_swa.py)."""

UNREAD = {
    "fp8_inc": "no backend of vllm's own stores it",
    "octave_k3v4": "its rows depend on how many elements are rotated, which kvcalc does not read",
    "octave_k3v3": "its rows depend on how many elements are rotated, which kvcalc does not read",
}
"""Formats that vLLM's option takes and kvcalc does not count, and why."""

FORMATS = ("auto", *PLAIN, *LATENT_ROWS, *PACKED)


def token_bytes(heads: Heads, cache_format: str) -> int:
    """Bytes of a token's keys and values of one layer on one rank.

    Raises:
        UnsupportedError: the format is not one of keys and values.
    """
    if cache_format in PLAIN:
        return heads.kv_heads * (heads.key + heads.value) * PLAIN[cache_format]
    if cache_format not in PACKED:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found {cache_format}, which is for rows of latent attention, expected one "
            f"of {', '.join([*PLAIN, *PACKED])}",
        )
    return PACKED[cache_format](heads)


def token_words(heads: Heads, cache_format: str) -> str:
    """How `token_bytes` come about."""
    count = plural(heads.kv_heads, "head")
    if (size := PLAIN.get(cache_format)) is not None:
        return f"{count} x ({heads.key} + {heads.value}) x {plural(size, 'byte')}"
    return f"{count} x {token_bytes(heads, cache_format) // heads.kv_heads} bytes ({cache_format})"


def row_bytes(lora: int, rope: int, cache_format: str) -> int:
    """Bytes of a token's row of latent attention.

    Raises:
        UnsupportedError: the format is not one of rows, or not one of rows of these sizes.
    """
    if cache_format in PLAIN:
        return (lora + rope) * PLAIN[cache_format]
    unrotated = cache_format == "fp8_ds_mla" and not rope  # its rotary part is stored all the same
    if cache_format not in LATENT_ROWS or lora != 512 or not (rope == 64 or unrotated):
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found {cache_format}, which vllm does not have for rows of {lora} + {rope} elements",
        )
    return LATENT_ROWS[cache_format]


def row_words(lora: int, rope: int, cache_format: str) -> str:
    """How `row_bytes` come about."""
    if (size := PLAIN.get(cache_format)) is not None:
        return f"({lora} + {rope}) x {plural(size, 'byte')}"
    return f"{row_bytes(lora, rope, cache_format)} bytes ({cache_format})"
