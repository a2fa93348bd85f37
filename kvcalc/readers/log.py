"""A log as a stream: the lines that match one of some patterns, whatever else it holds."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import BinaryIO, Generic, Protocol, TypeVar

from kvcalc.errors import SourceError

CHUNK = 2**17
MAX_LINE_BYTES = 2**16
"""A longer line is searched in pieces of this length."""
MAX_MATCHES = 10_000

MAX_QUOTED_BYTES = 2**13
"""A text in which no line matches, and which is no longer, may be one whose lines were wrapped: a
quote, or a copy of a terminal."""
WRAPPED_LINES = 6
"""How many lines of such a text are joined at the most: with a space between them, and with none,
as where a word was cut in two."""

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
    """Find what matches where lines are joined; of what is read twice, the most figures count."""
    found: list[_Joined[P]] = []
    parts = [(n, COLOURS.sub("", line)) for n, line in enumerate(lines, 1) if line.strip()]
    for at, between in product(reversed(range(len(parts))), (" ", "")):
        joined = parts[at : at + WRAPPED_LINES]
        text = between.join(part for _, part in joined)
        starts = list(accumulate((len(part) + len(between) for _, part in joined), initial=0))
        encoded = text.encode()
        for pattern in (one for n, wanted in needles.items() if n in encoded for one in wanted):
            if (match := pattern.regex.search(text)) is not None:
                first = at + bisect_right(starts, match.start()) - 1
                last = at + bisect_left(starts, match.end()) - 1
                one = _Joined(Match(parts[first][0], pattern, _figures(match)), first, last)
                if not any(other.has(one) for other in found):
                    found = [other for other in found if not one.has(other)] + [one]
    return sorted((one.match for one in found), key=lambda match: match.line)


@dataclass(frozen=True)
class _Joined(Generic[P]):
    """A match in joined lines, and the first and the last of those that it stands in."""

    match: Match[P]
    first: int
    last: int

    def has(self, other: "_Joined[P]") -> bool:
        """Whether it has all figures of another that shares a line with it."""
        one, two = self.match, other.match
        apart = self.last < other.first or other.last < self.first
        same = one.pattern == two.pattern and one.values.items() >= two.values.items()
        return same and not apart


def _matches(line: str, number: int, patterns: Iterable[P]) -> Iterator[Match[P]]:
    for pattern in patterns:
        match = pattern.regex.search(line)
        if match:
            yield Match(number, pattern, _figures(match))


def _figures(match: re.Match[str]) -> dict[str, str]:
    """The groups that are there."""
    return {key: value for key, value in match.groupdict().items() if value is not None}


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
