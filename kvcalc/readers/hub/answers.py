"""An answer of the Hub, read in bounded memory and time: as it comes, never unpacked."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

from kvcalc.readers.waiting import NotInTimeError, waited

T = TypeVar("T")

SECONDS = 60.0
"""The longest that one answer may take in all; the library's own limits are between two bytes."""


MOST_REDIRECTS = 5


class TooLongError(Exception):
    """An answer is longer, in bytes or in seconds, than it may be."""


def within(ask: Callable[[], T]) -> T:
    """Ask, and wait for the answer for SECONDS in all.

    Raises:
        TooLongError: it is not there then.
        Exception: what asking raises.
    """
    try:
        return waited(ask, SECONDS)
    except NotInTimeError as error:
        raise TooLongError(str(error)) from None


@contextmanager
def streamed(url: str, headers: Mapping[str, str], timeout: float) -> Iterator[Any]:
    """Ask for an address, as huggingface_hub asks, and give the answer before it is read.

    Of an answer that redirects only the headers are read: the library would read its content, and
    unpack it, whatever that takes. Who asks is not said to another host (httpx takes the
    Authorization out).

    Raises:
        TooLongError: redirects do not end.
        Exception: what asking raises.
    """
    from huggingface_hub import get_session, utils

    library: Any = utils  # its types leave out that it exports build_hf_headers
    session = get_session()
    given = {**library.build_hf_headers(), **headers, "Accept-Encoding": "identity"}
    request = session.build_request("GET", url, headers=given, timeout=timeout)
    for _ in range(MOST_REDIRECTS + 1):
        response = session.send(request, stream=True, follow_redirects=False)
        try:
            if response.next_request is None:
                yield response
                return
            request = response.next_request
        finally:
            response.close()
    raise TooLongError(f"more than {MOST_REDIRECTS} redirects")


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
            raise TooLongError(f"not complete after {SECONDS:g} seconds")
    return bytes(found)
