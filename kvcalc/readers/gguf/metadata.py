"""GGUF's binary format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): the metadata.

Nothing is trusted: every length is bounded before it is used, and what does not describe layers
(the vocabulary above all) is skipped without being decoded.
"""

from struct import Struct, unpack
from typing import Any, Protocol

from kvcalc.errors import SourceError, quote

CHUNK = 2**18
MAX_BYTES = 2**30
"""The most metadata that is read; the largest published is about 20 MB."""
MAX_KEYS = 2**16
MAX_KEY_BYTES = 2**16 - 1
MAX_STRINGS = 10**7
"""The most strings in all arrays together."""
MAX_ITEMS = 10**6
"""The most numbers kept from all arrays together."""
MAX_TEXT_BYTES = 2**12
"""A longer text (a chat template) is skipped."""
MAX_TEXTS_BYTES = 2**24
MAX_KEPT_STRINGS = 1000

STRING, ARRAY = 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
NUMBERS |= {12: "d"}
SIZES = {kind: Struct(f"<{code}").size for kind, code in NUMBERS.items()}
LENGTH = Struct("<Q")


class Stream(Protocol):
    """What metadata is read from; if it also has `seek`, that skips the vocabulary."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; b"" at the end."""


def read_metadata(stream: Stream) -> dict[str, Any]:
    """Read the metadata at the start of a GGUF stream, without the tokenizer's and long texts.

    Raises:
        SourceError: it is not little-endian GGUF 2 or 3, is cut short, or exceeds the bounds.
    """
    return read_head(Source(stream))[0]


def read_head(source: "Source") -> tuple[dict[str, Any], int]:
    """Read the metadata, and how many tensors the table that follows it has.

    Raises:
        SourceError: as `read_metadata`.
    """
    if (magic := source.take(4)) != b"GGUF":
        raise SourceError(f"found {quote(magic)} at its start, expected GGUF")
    version = source.number("I")
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        found = f"big-endian GGUF {swapped}" if swapped in (2, 3) else f"GGUF version {version}"
        raise SourceError(f"{found} is not supported, expected little-endian GGUF 2 or 3")
    tensors: int = source.number("Q")
    if (count := source.number("Q")) > MAX_KEYS:
        raise SourceError(f"found {count:,} keys of metadata, expected at most {MAX_KEYS:,}")
    metadata: dict[str, Any] = {}
    for _ in range(count):
        source.key = "a key's name"
        key = source.text(MAX_KEY_BYTES)
        source.key = quote(key)
        if key in metadata:
            raise source.error("the key stands there twice")
        metadata[key] = source.value(kept=not key.startswith("tokenizer."))
    return metadata, tensors


class Source:
    """A stream that is read in chunks, and the key that is being read."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.seek = getattr(stream, "seek", None)
        self.buffer = b""
        self.at = 0
        self.passed = 0
        self.texts = self.items = self.strings = 0
        self.key = "header"

    def error(self, problem: str) -> SourceError:
        """Say what is wrong at the key that is being read."""
        return SourceError(f"{self.key}: {problem}")

    def _need(self, size: int) -> None:
        """Make sure that the buffer has `size` bytes from `at` on."""
        while len(self.buffer) - self.at < size:
            if not (more := self.stream.read(max(CHUNK, size))):
                raise self.error("the file ends there, expected more metadata")
            self._pass(self.at)
            self.buffer = self.buffer[self.at :] + more
            self.at = 0

    def _pass(self, size: int) -> None:
        self.passed += size
        if self.passed > MAX_BYTES:
            raise self.error(f"more than the {MAX_BYTES:,} bytes expected of metadata")

    def take(self, size: int) -> bytes:
        """Read `size` bytes."""
        self._need(size)
        self.at += size
        return self.buffer[self.at - size : self.at]

    def number(self, code: str) -> Any:
        """Read a number, of a type as the module struct names it."""
        kind = Struct(f"<{code}")
        return kind.unpack(self.take(kind.size))[0]

    def skip(self, size: int) -> None:
        """Skip `size` bytes."""
        left = size - (len(self.buffer) - self.at)
        if left <= 0:
            self.at += size
            return
        self._pass(self.at + size)
        self.buffer, self.at = b"", 0
        if self.seek is not None and left > CHUNK:
            self.seek(left - 1, 1)
            left = 1  # read the last byte, because a seek past the end does not fail
        while left:
            if not (dropped := self.stream.read(min(left, CHUNK))):
                raise self.error("the file ends there, expected more metadata")
            left -= len(dropped)

    def text(self, most: int) -> str:
        """Read a text of at most `most` bytes."""
        if (length := self.number("Q")) > most:
            raise self.error(f"found a text of {length:,} bytes, expected at most {most:,}")
        self.texts += length
        if self.texts > MAX_TEXTS_BYTES:
            raise self.error(f"more than the {MAX_TEXTS_BYTES:,} bytes of text expected")
        return self.take(length).decode(errors="replace")

    def value(self, kept: bool) -> Any:
        """The value; None if it is skipped."""
        kind = self.number("I")
        if kind == ARRAY:
            return self._array(self.number("I"), self.number("Q"), kept)
        if kind == STRING:
            return self._string(kept)
        if kind not in NUMBERS:
            raise self.error(f"found the type {kind}, expected 0 to 12")
        return self.number(NUMBERS[kind])

    def _string(self, kept: bool) -> str | None:
        self._need(8)
        (length,) = LENGTH.unpack_from(self.buffer, self.at)
        if kept and length <= MAX_TEXT_BYTES:
            return self.text(MAX_TEXT_BYTES)
        if length > MAX_BYTES:
            raise self.error(f"found a text of {length:,} bytes, expected at most {MAX_BYTES:,}")
        self.skip(8 + length)
        return None

    def _array(self, kind: int, count: int, kept: bool) -> list[Any] | None:
        if kind == STRING:
            self.strings += count
            if self.strings > MAX_STRINGS:
                raise self.error(f"found {count:,} texts, expected at most {MAX_STRINGS:,}")
            if kept and count <= MAX_KEPT_STRINGS:
                return [self._string(kept) for _ in range(count)]
            self._pass_strings(count)
            return None
        if kind not in NUMBERS:
            found = "an array of arrays" if kind == ARRAY else f"an array of type {kind}"
            raise self.error(f"found {found}, expected an array of texts or numbers")
        if count > MAX_BYTES // SIZES[kind]:
            raise self.error(f"found {count:,} numbers, expected at most {MAX_ITEMS:,}")
        if not kept:
            self.skip(count * SIZES[kind])
            return None
        self.items += count
        if self.items > MAX_ITEMS:
            raise self.error(f"found {count:,} numbers, expected at most {MAX_ITEMS:,}")
        return list(unpack(f"<{count}{NUMBERS[kind]}", self.take(count * SIZES[kind])))

    def _pass_strings(self, count: int) -> None:
        length_at = LENGTH.unpack_from
        while count:
            self._need(8)
            buffer, at, end = self.buffer, self.at, len(self.buffer) - 8
            while count and at <= end:
                at += 8 + length_at(buffer, at)[0]
                count -= 1
            if (beyond := at - len(buffer)) > MAX_BYTES:
                raise self.error(f"found a text of {beyond:,} bytes or more, expected a short one")
            self.skip(at - self.at)
