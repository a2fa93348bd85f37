"""A server's metrics by HTTP: one GET, of bounded bytes and time, without redirects."""

from contextlib import closing
from io import BytesIO
from urllib.parse import urlsplit

from kvcalc.errors import SourceError, reason
from kvcalc.readers.waiting import NotInTimeError, waited

SCHEMES = ("http", "https")
MOST_BYTES = 2**24
"""Larger than any engine's metrics."""

OK = 200

SECONDS = 10.0
"""How long all of it may take."""

PIECE = 2**16


def is_address(text: str) -> bool:
    """Whether a text is an address, not a file's name."""
    return text.partition("://")[0].lower() in SCHEMES


def fetched(address: str) -> BytesIO:
    """Fetch what an address answers to one GET.

    Raises:
        SourceError: it does not answer 200 within the time, or redirects, or answers more bytes.
    """
    from http.client import HTTPException

    try:
        return BytesIO(waited(lambda: _content(address), SECONDS))
    except (OSError, ValueError, HTTPException) as error:
        raise SourceError.of(address, f"cannot be fetched ({reason(error)})") from None
    except NotInTimeError:
        raise SourceError.of(address, f"not answered within {SECONDS:g} seconds") from None


def _content(address: str) -> bytes:
    from http.client import HTTPConnection, HTTPSConnection

    parts = urlsplit(address)
    kind = HTTPSConnection if parts.scheme.lower() == "https" else HTTPConnection
    if not parts.hostname or "@" in parts.netloc:
        raise SourceError.of(address, "expected a host, without a user")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(kind(parts.hostname, parts.port, timeout=SECONDS)) as connection:
        connection.request("GET", path, headers={"Accept": "text/plain"})
        answer = connection.getresponse()
        if answer.status != OK:
            raise SourceError.of(address, _refusal(answer.status))
        content = bytearray()
        while piece := answer.read1(PIECE):
            content += piece
            if len(content) > MOST_BYTES:
                why = f"larger than the {MOST_BYTES:,} bytes expected of metrics"
                raise SourceError.of(address, why)
    return bytes(content)


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"answered HTTP {status}, a redirect, which is not followed; give the address itself"
    return f"answered HTTP {status}, expected {OK}"
