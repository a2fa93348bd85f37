"""The members of a large JSON object, one after another, in memory that does not grow with it."""

import json
from codecs import getincrementaldecoder
from collections.abc import Collection, Iterator
from typing import Any, Protocol

PIECE = 2**16
MAX_VALUE = 2**20
"""The most characters of one value, or of one key."""

BLANKS = " \t\r\n"


class Stream(Protocol):
    """What is read from."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; b"" at the end."""


def members(
    stream: Stream, size: int, inner: Collection[str] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each key with its value, of an object that ends with the `size` bytes.

    The objects under the keys of `inner` are not values: their own members are yielded, with both
    keys.

    Raises:
        ValueError: it is no such object, has a key twice, or a value is too large.
        RecursionError: values stand too deep in each other.
    """
    text = _Text(stream, size)
    yield from _members(text, (), inner)
    if text.next():
        raise ValueError("more after the object")


def _members(
    text: "_Text", outer: tuple[str, ...], inner: Collection[str]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    text.take("{")
    keys: set[str] = set()
    if text.next() == "}":
        text.take("}")
        return
    while True:
        key = text.value()
        if not isinstance(key, str) or key in keys:
            raise ValueError("no key, or one twice")
        keys.add(key)
        text.take(":")
        if key in inner and text.next() == "{":
            yield from _members(text, (key,), ())
        else:
            yield (*outer, key), text.value()
        if text.next() == "}":
            text.take("}")
            return
        text.take(",")


class _Text:
    """The text that was read and not yet taken."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream, self._left = stream, size
        self._decoder = getincrementaldecoder("utf-8")()
        self._text, self._at = "", 0
        self._decode = json.JSONDecoder().raw_decode

    def next(self) -> str:
        """The next character that is no blank; nothing at the end."""
        while True:
            while self._at < len(self._text):
                char = self._text[self._at]
                if char not in BLANKS:
                    return char
                self._at += 1
            if not self._more(PIECE):
                return ""

    def take(self, char: str) -> None:
        """Go past a character.

        Raises:
            ValueError: another one stands there.
        """
        if self.next() != char:
            raise ValueError(f"no {char}")
        self._at += 1

    def value(self) -> Any:
        """Take a value; what ends with the text that was read may go on.

        Raises:
            ValueError: none stands there, or it is too large.
        """
        self.next()
        while True:
            waiting = len(self._text) - self._at
            try:
                found, end = self._decode(self._text, self._at)
            except ValueError:
                if waiting > MAX_VALUE or not self._more(waiting):
                    raise
                continue
            if end == len(self._text) and self._more(PIECE):
                continue
            self._at = end
            return found

    def _more(self, size: int) -> bool:
        """Read some more, at least a piece; say whether there was any."""
        piece = self._stream.read(min(max(size, PIECE), self._left))
        self._left -= len(piece)
        self._text = self._text[self._at :] + self._decoder.decode(piece, final=not self._left)
        self._at = 0
        return bool(piece)
