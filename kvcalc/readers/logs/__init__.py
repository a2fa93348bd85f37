"""Start-up logs of engines: the lines that print figures of the cache, found in a stream."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from kvcalc.errors import SourceError
from kvcalc.readers.logs import llama_cpp, ollama, sglang, tensorrt_llm, vllm
from kvcalc.readers.logs.pattern import Found, Pattern

ENGINES: dict[str, tuple[Pattern, ...]] = {
    "vllm": vllm.PATTERNS,
    "sglang": sglang.PATTERNS,
    "ollama": ollama.PATTERNS,
    "llama.cpp": llama_cpp.PATTERNS,
    "tensorrt-llm": tensorrt_llm.PATTERNS,
}
"""Each engine's lines, in the order in which they are tried."""

CHUNK = 2**17
MAX_LINE_BYTES = 2**16
"""Of a longer line only pieces of this length are looked at."""
MAX_FOUND = 10_000

NEEDLES: dict[bytes, list[tuple[str, Pattern]]] = {}
for _engine, _patterns in ENGINES.items():
    for _pattern in _patterns:
        NEEDLES.setdefault(_pattern.needle, []).append((_engine, _pattern))

COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}m")


def read_log(stream: BinaryIO, name: str) -> list[Found]:
    """Find the lines of a log that print figures of a cache, in their order.

    The stream is read once, in pieces: memory does not grow with it.

    Raises:
        KvcalcError: it is no text, has no line that is known, or more than 10,000 of them.
    """
    found: list[Found] = []
    for number, text in _candidates(stream, name):
        line = COLOURS.sub("", text.decode(errors="replace"))
        for needle, patterns in NEEDLES.items():
            if needle in text:
                found += _matches(line, number, patterns)
        if len(found) > MAX_FOUND:
            raise SourceError.of(name, f"more than {MAX_FOUND:,} lines with figures")
    if not found:
        raise SourceError.of(
            name, f"found no line that is known; expected a start-up log of {', '.join(ENGINES)}"
        )
    return found


def _matches(line: str, number: int, patterns: list[tuple[str, Pattern]]) -> Iterator[Found]:
    for engine, pattern in patterns:
        match = pattern.regex.search(line)
        if match:
            values = {key: value for key, value in match.groupdict().items() if value is not None}
            yield Found(number, engine, pattern.kind, values)


def _candidates(stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Go through the lines that have a needle in them, each with its number."""
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
        yield from _in_chunk(chunk[:cut], number)
        number += chunk.count(b"\n", 0, cut)
        rest = chunk[cut:]
    yield from _in_chunk(rest, number)


def _in_chunk(chunk: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    starts: set[int] = set()
    for needle in NEEDLES:
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
