"""Safetensors files: only their headers (https://huggingface.co/docs/safetensors/index#format)."""

import json
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeGuard

from kvcalc.errors import SourceError, quote
from kvcalc.files import opened, read_bytes

INDEX = "model.safetensors.index.json"
MAX_HEADER_BYTES = 32 * 2**20
"""Of the 100 MB that the format allows, what is parsed in bounded memory: some 200,000 tensors."""
MAX_INDEX_BYTES = 16 * 2**20
MAX_WEIGHT_BYTES = 2**50


class Stream(Protocol):
    """What a header is read from."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; b"" at the end."""


class Tensor(NamedTuple):
    """A tensor of a header: its element type as safetensors writes it, its elements and bytes."""

    dtype: str
    elements: int
    bytes: int


def read_header(stream: Stream, name: str) -> list[Tensor]:
    """Read the tensors of one file's header.

    Raises:
        SourceError: it is not a safetensors header; the sentence names the file.
    """
    size = int.from_bytes(stream.read(8), "little")
    if not 2 <= size <= MAX_HEADER_BYTES:
        raise SourceError.of(
            name,
            f"not safetensors, or too large a header: found {size:,} bytes of it, expected at most "
            f"{MAX_HEADER_BYTES:,}",
        )
    header = _object(stream.read(size), name)
    return [_tensor(entry, name) for key, entry in header.items() if key != "__metadata__"]


def total_size(content: bytes, name: str) -> int:
    """Read from an index how many bytes the tensors of all files take.

    Raises:
        SourceError: it is not such an index, or lacks the size; the sentence names the file.
    """
    metadata = _object(content, name).get("metadata")
    size = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    if type(size) is not int or not 1 <= size <= MAX_WEIGHT_BYTES:
        raise SourceError.of(name, f"metadata.total_size: found {quote(size)}, expected bytes")
    return size


def read_folder(folder: Path) -> list[Tensor]:
    """Read the headers of all safetensors files of a folder; [] without such files.

    Raises:
        SourceError: a file is not a safetensors file.
    """
    tensors: list[Tensor] = []
    for path in sorted(folder.glob("*.safetensors")):
        with opened(path) as file:
            tensors += read_header(file, str(path))
    return tensors


def read_index(path: Path) -> int:
    """Read an index file's total size, in bytes.

    Raises:
        SourceError: it cannot be read or lacks the size.
    """
    return total_size(read_bytes(path, MAX_INDEX_BYTES), str(path))


def _object(content: bytes, name: str) -> dict[str, Any]:
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise SourceError.of(name, "not safetensors (its header is not a JSON object)")
    return table


def _tensor(entry: object, name: str) -> Tensor:
    if isinstance(entry, dict):
        keys = ("dtype", "shape", "data_offsets")
        dtype, shape, span = [entry.get(key) for key in keys]
        if isinstance(dtype, str) and _sizes(shape) and _sizes(span) and len(span) == 2:
            return Tensor(dtype, prod(shape), max(0, span[1] - span[0]))
    raise SourceError.of(name, f"found the tensor {quote(entry)}, expected its shape")


def _sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        type(size) is int and 0 <= size <= MAX_WEIGHT_BYTES for size in value
    )
