"""An answer of the Hub, read in bounded memory and time: as it comes, never unpacked."""

from collections.abc import Iterable
from time import monotonic

SECONDS = 60.0
"""The longest that one answer may take in all; the library's own limits are between two bytes."""


class TooLongError(Exception):
    """An answer is longer, in bytes or in seconds, than it may be."""


def collected(pieces: Iterable[bytes], most: int) -> bytes:
    """Put an answer's pieces together.

    Raises:
        TooLongError: it is larger than `most` bytes, or takes longer than SECONDS.
    """
    found, end = bytearray(), monotonic() + SECONDS
    for piece in pieces:
        found += piece
        if len(found) > most:
            raise TooLongError(f"more than {most:,} bytes")
        if monotonic() > end:
            raise TooLongError(f"not complete after {SECONDS:.0f} seconds")
    return bytes(found)
