"""GGUF's tensor table: how many bytes the weights take, without reading any of them."""

from math import prod

from kvcalc.parameters.stored import Stored
from kvcalc.readers.gguf.metadata import Source, Stream, read_head

MAX_TENSORS = 2**20
MAX_NAME_BYTES = 2**10
MAX_DIMENSIONS = 4
MAX_ELEMENTS = 2**44

TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
}
"""Each ggml type: its name, and the elements and bytes of a block (gguf 0.19.0, constants.py)."""


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
    source.number("Q")
    if kind not in TYPES:
        raise source.error(f"found the tensor type {kind}, expected one that gguf knows")
    name, block_elements, block_bytes = TYPES[kind]
    size = -(-elements // block_elements) * block_bytes
    return Stored(own, name, shape[0] if shape else 1, elements, size)
