"""A log as a stream: bounded, whatever is in it."""

import io
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from time import process_time

import pytest

from kvcalc import engines
from kvcalc.engines.log import Pattern, pattern
from kvcalc.errors import KvcalcError, SourceError
from kvcalc.readers.log import (
    CHUNK,
    MAX_LINE_BYTES,
    MAX_MATCHES,
    MAX_QUOTED_BYTES,
    WRAPPED_LINES,
    Match,
    read_log,
)

LINE = b"GPU KV cache size: 163,225 tokens"
TOKENS = pattern("tokens", "KV cache size", r"GPU KV cache size: (?P<tokens>[0-9,]{1,20}) tokens")
FOUND = Match(1, TOKENS, {"tokens": "163,225"})


def read(content: bytes) -> list[Match[Pattern]]:
    return read_log(io.BytesIO(content), "a log", [TOKENS])


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
    assert read(content) == [replace(FOUND, line=first), replace(FOUND, line=first + 2)]


WORDS = LINE.split(b" ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\n".join(WORDS), 1),
        (b"> an error:\n\n" + b"\r\n".join(WORDS), 3),
        (b"GPU KV cac\nhe size: 163,\n225 tokens", 1),
        (b"GPU KV\x1b[1m cache size: 163,225\x1b[0m\ntokens", 1),
        (b"\n" * 9 + b"GPU KV cache size: 163,225\ntokens", 10),
    ],
)
def test_a_line_that_was_wrapped_is_found_at_its_first_part(content: bytes, line: int) -> None:
    assert read(content) == [replace(FOUND, line=line)]


def test_wrapped_lines_with_the_same_figures_are_each_found() -> None:
    """As those of two ranks, or of a start and the next."""
    content = b"(TP0) GPU KV cache size: 163,225\ntokens\n(TP1) GPU KV cache size: 163,225\ntokens"
    assert read(content) == [FOUND, replace(FOUND, line=3)]


@pytest.mark.parametrize(
    "content",
    [
        b"GPU KV cache size:" + b"\nx" * WRAPPED_LINES + b"163,225 tokens",
        b"GPU KV cache size: 163,225\ntokens" + b" " * MAX_QUOTED_BYTES,
        b"GPU KV cache size: 163,225\n" + b"x" * CHUNK + b"\ntokens",
    ],
)
def test_what_is_far_apart_or_long_is_not_joined(content: bytes) -> None:
    assert read(content) == []


def test_a_log_of_whole_lines_is_read_as_it_stands() -> None:
    assert read(b"GPU KV cache size: 1\ntokens\n" + LINE) == [replace(FOUND, line=3)]


def test_of_a_wrapped_line_the_match_with_most_figures_counts() -> None:
    """A part that may be missing stands on the last line that is joined."""
    more = pattern(
        "more", "cache size", r"cache size: (?P<tokens>[0-9]+)(?:.{0,40}of (?P<of>[0-9]))?"
    )
    found = read_log(io.BytesIO(b"a\ncache\nsize: 7\ntokens\nof 9\nb"), "a log", [more])
    assert found == [Match(2, more, {"tokens": "7", "of": "9"})]


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
    read_log(Long(), "a log", [TOKENS])  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * CHUNK


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x7fELF\0\0" + LINE, "found a binary file, expected a text log"),
        ((LINE + b"\n") * (MAX_MATCHES + 2), "more than 10,000 lines with figures"),
    ],
)
def test_what_is_no_log_is_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence):
        read(content)


def test_a_log_without_a_known_line_has_no_matches() -> None:
    assert read(b"") == read(b"hello\n") == []


PATTERNS = [each for log in engines.logs().values() for each in log.patterns]


def test_no_pattern_of_an_engine_runs_away_on_a_hostile_line() -> None:
    for needle in {each.needle for each in PATTERNS}:
        for filler in (b" ", b"1", b"(", b"size = ", b"K (", b"CUDA0 ", needle, needle + b" 1,"):
            begin = needle + 2 * filler
            searched = [each for each in PATTERNS if each.needle in begin]
            line = (needle + filler * MAX_LINE_BYTES)[: 2 * MAX_LINE_BYTES]
            start = process_time()
            with suppress(KvcalcError):
                read_log(io.BytesIO(line), "a log", searched)
            assert process_time() - start < 1
