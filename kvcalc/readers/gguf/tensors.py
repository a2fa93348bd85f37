"""GGUF's tensor table: how many bytes the weights take, without reading any of them."""

from math import prod

from kvcalc.parameters.ggml_types import BLOCKS
from kvcalc.parameters.stored import Stored
from kvcalc.readers.gguf.metadata import Source, Stream, read_head

MAX_TENSORS = 2**16
MAX_NAME_BYTES = 2**10
MAX_DIMENSIONS = 4
MAX_ELEMENTS = 2**44

TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    9: "Q8_1",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    30: "BF16",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
    40: "NVFP4",
}
"""Each ggml type by its number in a file (gguf 0.19.0, constants.py)."""


def read_tensors(stream: Stream) -> list[Stored]:
    """Read the tensor table that follows the metadata of a GGUF stream.

    Raises:
        SourceError: as `read_metadata`; or a tensor has an unknown type or an impossible size.
    """
    source = Source(stream)
    _, count = read_head(source)
    source.key = "tensor table"
    if count > MAX_TENSORS:
        raise source.error(f"found {count:,} tensors, expected at most {MAX_TENSORS:,}")
    return [_tensor(source) for _ in range(count)]


def _tensor(source: Source) -> Stored:
    own = source.text(MAX_NAME_BYTES)
    if (dimensions := source.number("I")) > MAX_DIMENSIONS:
        raise source.error(f"found {dimensions:,} dimensions, expected at most {MAX_DIMENSIONS}")
    shape = [source.number("Q") for _ in range(dimensions)]
    elements = prod(shape)
    if elements > MAX_ELEMENTS:
        raise source.error(f"found a tensor of {elements:,} elements, expected fewer")
    kind = source.number("I")
    start = source.number("Q")
    if kind not in TYPES:
        raise source.error(f"found the tensor type {kind}, expected one that gguf knows")
    block = BLOCKS[TYPES[kind]]
    size = -(-elements // block.elements) * block.bytes
    return Stored(own, TYPES[kind], shape[0] if shape else 1, elements, size, start)
