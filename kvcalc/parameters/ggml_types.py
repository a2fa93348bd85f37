"""GGML's element types of weights: each the elements and the bytes of a block.

gguf 0.19.0, constants.py (GGML_QUANT_SIZES).
"""

from collections.abc import Mapping
from typing import NamedTuple


class Block(NamedTuple):
    """A block of a type: so many elements in so many bytes."""

    elements: int
    bytes: int


BLOCKS: Mapping[str, Block] = {
    "F32": Block(1, 4),
    "F16": Block(1, 2),
    "Q4_0": Block(32, 18),
    "Q4_1": Block(32, 20),
    "Q5_0": Block(32, 22),
    "Q5_1": Block(32, 24),
    "Q8_0": Block(32, 34),
    "Q8_1": Block(32, 40),
    "Q2_K": Block(256, 84),
    "Q3_K": Block(256, 110),
    "Q4_K": Block(256, 144),
    "Q5_K": Block(256, 176),
    "Q6_K": Block(256, 210),
    "Q8_K": Block(256, 292),
    "IQ2_XXS": Block(256, 66),
    "IQ2_XS": Block(256, 74),
    "IQ3_XXS": Block(256, 98),
    "IQ1_S": Block(256, 50),
    "IQ4_NL": Block(32, 18),
    "IQ3_S": Block(256, 110),
    "IQ2_S": Block(256, 82),
    "IQ4_XS": Block(256, 136),
    "I8": Block(1, 1),
    "I16": Block(1, 2),
    "I32": Block(1, 4),
    "I64": Block(1, 8),
    "F64": Block(1, 8),
    "IQ1_M": Block(256, 56),
    "BF16": Block(1, 2),
    "TQ1_0": Block(256, 54),
    "TQ2_0": Block(256, 66),
    "MXFP4": Block(32, 17),
    "NVFP4": Block(64, 36),
}
"""By their names."""
