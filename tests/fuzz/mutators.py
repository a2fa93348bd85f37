"""How a valid input becomes a hostile one: its words are cut, doubled, nested and replaced."""

import re
from collections.abc import Callable, Sequence
from random import Random

WORD = re.compile(rb"[A-Za-z0-9_.+-]+|[^\sA-Za-z0-9_.+-]")
VALUES = (
    *(b"0", b"-1", b"1", b"2", b"4300", b"65535", b"2147483648", b"9223372036854775807"),
    *(b"18446744073709551616", b"1" + b"0" * 40, b"9" * 400, b"1e308", b"1e999", b"-0.0", b"0.1"),
    *(b"NaN", b"Infinity", b"null", b"true", b"false", b'""', b"[]", b"{}", b"[[]]", b"None"),
    *(b"\x1b[31m", b"\xff\xfe", b"\x00", "\u202e".encode(), "\u0661".encode(), b"=1+1", b"'"),
    *(b"../..", b"%s%n", b"${x}", b"--", b"@x", b"a" * 3_000, b"vllm", b"llama", b"fp8", b"auto"),
)
"""What parsers stumble on: the ends of number types, what is nearly a number, and the names."""

MOST_BYTES = 2**17

Mutator = Callable[[Random, bytes, Sequence[bytes]], bytes]


def _replaced(random: Random, text: bytes, _: Sequence[bytes]) -> bytes:
    """Put a value in the place of a word."""
    words = list(WORD.finditer(text))
    if not words:
        return random.choice(VALUES)
    word = random.choice(words)
    return text[: word.start()] + random.choice(VALUES) + text[word.end() :]


def _flipped(random: Random, text: bytes, _: Sequence[bytes]) -> bytes:
    changed = bytearray(text or b"\0")
    for _turn in range(random.choice((1, 1, 2, 8))):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _cut(random: Random, text: bytes, _: Sequence[bytes]) -> bytes:
    start, stop = _span(random, text)
    return text[:start] + text[stop:]


def _doubled(random: Random, text: bytes, _: Sequence[bytes]) -> bytes:
    start, stop = _span(random, text)
    return text[:stop] + text[start:stop] * random.choice((1, 1, 3, 40)) + text[stop:]


def _swapped(random: Random, text: bytes, _: Sequence[bytes]) -> bytes:
    words = list(WORD.finditer(text))
    if len(words) < 2:
        return text + text
    one, other = sorted(random.sample(range(len(words)), 2))
    a, b = words[one], words[other]
    between = text[a.end() : b.start()]
    return text[: a.start()] + b[0] + between + a[0] + text[b.end() :]


def _crossed(random: Random, text: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    return text[: random.randrange(len(text) + 1)] + other[random.randrange(len(other) + 1) :]


def _nested(random: Random, text: bytes, _: Sequence[bytes]) -> bytes:
    deep = random.choice((5, 60, 2_000))
    left, right = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b'"', b'"')))
    place = random.randrange(len(text) + 1)
    return text[:place] + left * deep + right * deep + text[place:]


MUTATORS: tuple[Mutator, ...] = (
    *(_replaced, _replaced, _replaced, _flipped, _cut, _doubled, _swapped, _crossed, _nested),
)


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Draw an input: a seed, changed once or a few times."""
    text = random.choice(seeds)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 6))):
        text = random.choice(MUTATORS)(random, text, seeds)[:MOST_BYTES]
    return text


def _span(random: Random, text: bytes) -> tuple[int, int]:
    start = random.randrange(len(text) + 1)
    return start, min(len(text), start + random.choice((1, 4, 30, 500)))
