"""Start-up logs as a stream: bounded, whatever is in it."""

import io
import tracemalloc
from contextlib import suppress
from time import perf_counter

import pytest

from kvcalc.errors import KvcalcError
from kvcalc.readers.logs import CHUNK, ENGINES, MAX_FOUND, MAX_LINE_BYTES, NEEDLES, read_log
from kvcalc.readers.logs.pattern import Found

LINE = b"GPU KV cache size: 163,225 tokens"
FOUND = Found(1, "vllm", "tokens", {"tokens": "163,225"})


def read(content: bytes) -> list[Found]:
    return read_log(io.BytesIO(content), "a log")


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        b"(EngineCore pid=12) INFO 11-06 12:08:55 [kv_cache_utils.py:1229] " + LINE,
        b"\x1b[36mINFO\x1b[0m " + LINE + b"\x1b[0m\r",
        b"GPU KV cache size:\x1b[1m 163,225\x1b[0m tokens",
        b"\xff\xfe" + LINE,
    ],
)
def test_a_line_is_found_behind_any_prefix_and_colours(line: bytes) -> None:
    assert read(line) == [FOUND]


@pytest.mark.parametrize("before", [0, 1, CHUNK - 10, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_lines_are_numbered_across_pieces_of_the_stream(before: int) -> None:
    filler = b"x" * 9 + b"\n"
    content = filler * (before // 10) + LINE + b"\n" + filler + LINE
    first = before // 10 + 1
    assert read(content) == [FOUND._replace(line=first), FOUND._replace(line=first + 2)]


def test_a_very_long_line_is_looked_at_in_pieces() -> None:
    found = read(b"y" * (4 * CHUNK) + LINE + b"\nz")
    assert [one.values for one in found] == [FOUND.values]


def test_memory_does_not_grow_with_the_stream() -> None:
    class Long(io.RawIOBase):
        left = 64

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            if self.left > 0:
                return b"a line of a log\n" * (size // 16)
            return b"" if self.left else LINE

    tracemalloc.start()
    read_log(Long(), "a log")  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * CHUNK


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "found no line that is known"),
        (b"hello\n", "found no line that is known; expected a start-up log of vllm, sglang"),
        (b"\x7fELF\0\0" + LINE, "found a binary file, expected a text log"),
        ((LINE + b"\n") * (MAX_FOUND + 2), "more than 10,000 lines with figures"),
    ],
)
def test_what_is_no_log_is_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(KvcalcError, match=sentence):
        read(content)


def test_no_pattern_runs_away_on_a_hostile_line() -> None:
    for needle in NEEDLES:
        for filler in (b" ", b"1", b"(", b"size = ", b"K (", needle, needle + b" 1,"):
            line = (needle + filler * MAX_LINE_BYTES)[: 2 * MAX_LINE_BYTES]
            start = perf_counter()
            with suppress(KvcalcError):
                read(line)
            assert perf_counter() - start < 1


def test_every_engine_has_lines_of_its_own() -> None:
    kinds = [(engine, pattern.kind) for engine, lines in ENGINES.items() for pattern in lines]
    assert len(kinds) > 30
    assert {engine for engine, _ in kinds} == set(ENGINES)
