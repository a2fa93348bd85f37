"""A log as a stream: the lines that match one of some patterns, whatever else it holds."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import BinaryIO, Generic, Protocol, TypeVar

from kvcalc.errors import SourceError

CHUNK = 2**17
MAX_LINE_BYTES = 2**16
"""A longer line is searched in pieces of this length."""
MAX_MATCHES = 10_000

MAX_QUOTED_BYTES = 2**13
WRAPPED_LINES = 6
"""A text of no such line, no longer than that, may be one that was wrapped: a quote, or a copy of a
terminal. Its lines are then joined, that many at the most, as words were parted and as they were
not."""

SHARED = (
    *(b"memory", b" size", b"block", b"config", b"args", b"pool", b"max_", b"Cache", b"SWA"),
    *(b"n_ctx", b"llama_", b"draft", b" to allocate", b"Load weight"),
)
"""Parts that several needles share, and that hardly a line of a running server has: one search
through a log finds the lines of all of them."""

COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}m")


class _Kept:
    """A stream, and what was read of it, if that is short."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.text = b""

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        if len(self.text) <= MAX_QUOTED_BYTES:
            self.text += piece
        return piece


class Pattern(Protocol):
    """What a line looks like: it contains `needle` literally, and `regex` matches its figures."""

    @property
    def needle(self) -> bytes:
        """A literal part of the line."""

    @property
    def regex(self) -> re.Pattern[str]:
        """The expression to search for; its groups are the figures."""


P = TypeVar("P", bound=Pattern)


@dataclass(frozen=True)
class Match(Generic[P]):
    """A line: its number from 1, the pattern that it matches and its figures as printed."""

    line: int
    pattern: P
    values: dict[str, str]


def read_log(stream: BinaryIO, name: str, patterns: Sequence[P]) -> list[Match[P]]:
    """Find the lines of a log that match a pattern, in their order.

    The stream is read once, in pieces: memory does not grow with it. A line that was wrapped has
    the number of the first of its parts.

    Raises:
        SourceError: it is not text, or has more than 10,000 such lines.
    """
    needles: dict[bytes, list[P]] = {}
    for pattern in patterns:
        needles.setdefault(pattern.needle, []).append(pattern)
    found: list[Match[P]] = []
    parts = {next((part for part in SHARED if part in needle), needle) for needle in needles}
    kept = _Kept(stream)
    for number, text in _candidates(kept, name, parts):
        line = COLOURS.sub("", text.decode(errors="replace"))
        for needle, wanted in needles.items():
            if needle in text:
                found += _matches(line, number, wanted)
        if len(found) > MAX_MATCHES:
            raise SourceError.of(name, f"more than {MAX_MATCHES:,} lines with figures")
    if not found and len(kept.text) <= MAX_QUOTED_BYTES:
        return _unwrapped(kept.text.decode(errors="replace").splitlines(), needles)
    return found


def _unwrapped(lines: Sequence[str], needles: Mapping[bytes, list[P]]) -> list[Match[P]]:
    """Find what matches where lines are joined, from the last line on with which all of it does."""
    found: list[Match[P]] = []
    parts = [(n, COLOURS.sub("", line)) for n, line in enumerate(lines, 1) if line.strip()]
    for at, between in product(reversed(range(len(parts))), (" ", "")):
        joined = between.join(part for _, part in parts[at : at + WRAPPED_LINES])
        text = joined.encode()
        for needle, wanted in needles.items():
            if needle in text:
                for match in _matches(joined, parts[at][0], wanted):
                    if not any(_has(other, match) for other in found):
                        found = [other for other in found if not _has(match, other)] + [match]
    return sorted(found, key=lambda match: match.line)


def _has(one: Match[P], other: Match[P]) -> bool:
    """Whether a match has all figures of another."""
    return one.pattern == other.pattern and one.values.items() >= other.values.items()


def _matches(line: str, number: int, patterns: Iterable[P]) -> Iterator[Match[P]]:
    for pattern in patterns:
        match = pattern.regex.search(line)
        if match:
            values = {key: value for key, value in match.groupdict().items() if value is not None}
            yield Match(number, pattern, values)


def _candidates(stream: _Kept, name: str, needles: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Go through the lines that contain one of the needles, each with its number."""
    rest, number = b"", 1
    first = True
    while piece := stream.read(CHUNK):
        if first and b"\0" in piece:
            raise SourceError.of(name, "found a binary file, expected a text log")
        first = False
        chunk = rest + piece
        cut = chunk.rfind(b"\n") + 1
        if not cut and len(chunk) > MAX_LINE_BYTES:
            cut = len(chunk)
        yield from _in_chunk(chunk[:cut], number, needles)
        number += chunk.count(b"\n", 0, cut)
        rest = chunk[cut:]
    yield from _in_chunk(rest, number, needles)


def _in_chunk(chunk: bytes, number: int, needles: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    starts: set[int] = set()
    for needle in needles:
        at = chunk.find(needle)
        while at >= 0:
            start = max(chunk.rfind(b"\n", 0, at) + 1, at - MAX_LINE_BYTES)
            starts.add(start)
            end = chunk.find(b"\n", at)
            at = chunk.find(needle, end) if end >= 0 else -1
    counted = 0
    for start in sorted(starts):
        number += chunk.count(b"\n", counted, start)
        counted = start
        end = chunk.find(b"\n", start)
        stop = len(chunk) if end < 0 else end
        yield number, chunk[start : min(stop, start + 2 * MAX_LINE_BYTES)]
