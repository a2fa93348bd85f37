"""Safetensors files: only their headers (https://huggingface.co/docs/safetensors/index#format)."""

from collections.abc import Collection, Iterator
from io import SEEK_END
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from kvcalc.errors import SourceError, quote
from kvcalc.files import opened
from kvcalc.readers.json_members import Stream, members

INDEX = "model.safetensors.index.json"
MAX_HEADER_BYTES = 32 * 2**20
"""Of the 100 MB that the format allows, what is read in seconds: some 200,000 tensors."""
METADATA = "__metadata__"
MAX_INDEX_BYTES = 16 * 2**20
MAX_WEIGHT_BYTES = 2**50


class Tensor(NamedTuple):
    """A tensor of a header: its element type as safetensors writes it, its elements and bytes."""

    dtype: str
    elements: int
    bytes: int


def read_header(stream: Stream, name: str) -> Iterator[Tensor]:
    """Yield the tensors of one file's header.

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
    for keys, entry in _members(stream, size, name, [METADATA]):
        if keys[0] != METADATA:
            yield _tensor(entry, name)


def total_size(stream: Stream, length: int, name: str) -> int:
    """Read from an index of `length` bytes how many bytes the tensors of all files take.

    Raises:
        SourceError: it is too long or no such index, or lacks the size; the sentence names the
            file.
    """
    if length > MAX_INDEX_BYTES:
        raise SourceError.of(
            name, f"larger than the {MAX_INDEX_BYTES:,} bytes expected of an index"
        )
    found = _members(stream, length, name, ["metadata", "weight_map"])
    size = next((value for keys, value in found if keys == ("metadata", "total_size")), None)
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    if type(size) is not int or not 1 <= size <= MAX_WEIGHT_BYTES:
        raise SourceError.of(name, f"metadata.total_size: found {quote(size)}, expected bytes")
    return size


def read_folder(folder: Path) -> Iterator[Tensor]:
    """Yield the tensors of the headers of all safetensors files of a folder.

    Raises:
        SourceError: a file is not a safetensors file.
    """
    for path in sorted(folder.glob("*.safetensors")):
        with opened(path) as file:
            yield from read_header(file, str(path))


def read_index(path: Path) -> int:
    """Read an index file's total size, in bytes.

    Raises:
        SourceError: it cannot be read or lacks the size.
    """
    with opened(path) as file:
        length = file.seek(0, SEEK_END)
        file.seek(0)
        return total_size(file, length, str(path))


def _members(
    stream: Stream, size: int, name: str, inner: Collection[str]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    try:
        yield from members(stream, size, inner)
    except (ValueError, RecursionError):
        raise SourceError.of(
            name, "not safetensors (found no JSON object of distinct names)"
        ) from None


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
