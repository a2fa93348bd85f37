"""A file on the Hub; only the pieces that are read are fetched."""

import re
from time import monotonic
from typing import Self

from kvcalc.errors import KvcalcError, SourceError, quote
from kvcalc.readers.hub.answers import TooLongError, collected, streamed, within
from kvcalc.readers.hub.errors import hub_errors
from kvcalc.readers.hub.ids import HubId

MAX_RANGE_BYTES = 256 * 2**20
PIECE_BYTES = 2**20
FILE_SECONDS = 600.0
"""The longest that all pieces of a file may take."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", re.ASCII)


class RangeStream:
    """A file on the Hub, fetched piece by piece as it is read.

    Raises:
        SourceError: a piece cannot be fetched, or more is read than a model's shape needs.
    """

    def __init__(self, hub_id: HubId, name: str, url: str) -> None:
        self.name = name
        self.fetched = 0
        self._hub_id = hub_id
        self._url = url
        self._position = 0
        self._until = monotonic() + FILE_SECONDS
        self._start, self._piece = 0, b""
        self.size = MAX_RANGE_BYTES  # not known before the first answer
        self._fetch(0)

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the end of the file; without a size, the rest."""
        left = max(self.size - self._position, 0)
        size = left if size < 0 else min(size, left)
        if size > MAX_RANGE_BYTES - self.fetched + len(self._piece):
            raise self._refused(f"its head is larger than {MAX_RANGE_BYTES:,} bytes")
        parts = []
        while size:
            offset = self._position - self._start
            if not 0 <= offset < len(self._piece):
                self._fetch(self._position)
                offset = 0
            part = self._piece[offset : offset + size]
            parts.append(part)
            self._position += len(part)
            size -= len(part)
        return b"".join(parts)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset from the start (0), from here (1) or from the end (2)."""
        self._position = max(offset + (0, self._position, self.size)[whence], 0)
        return self._position

    def tell(self) -> int:
        """The offset at which the next read begins."""
        return self._position

    def close(self) -> None:
        """Forget the piece that was read last."""
        self._piece = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fetch(self, start: int) -> None:
        if self.fetched + PIECE_BYTES > MAX_RANGE_BYTES:
            raise self._refused(f"its head is larger than {MAX_RANGE_BYTES:,} bytes")
        if monotonic() > self._until:
            raise self._refused(f"it was not complete after {FILE_SECONDS:g} seconds")
        end = min(start + PIECE_BYTES, self.size)
        with hub_errors(self._hub_id):
            size, piece = within(lambda: self._answer(start, end))
        self.fetched += len(piece)
        if len(piece) != min(end, size) - start:
            raise self._refused(f"the answer was cut, at byte {start + len(piece):,}")
        self.size, self._start, self._piece = size, start, piece

    def _answer(self, start: int, end: int) -> tuple[int, bytes]:
        """The size of the file, and a piece of it."""
        from huggingface_hub import constants, hf_raise_for_status

        headers = {"Range": f"bytes={start}-{end - 1}"}
        with streamed(self._url, headers, constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            if response.status_code != 206:
                raise self._refused("the server ignores HTTP ranges")
            size = self._total(start, end, response.headers.get("Content-Range", ""))
            try:
                return size, collected(response.iter_raw(), end - start)
            except TooLongError as error:
                raise self._refused(f"an answer was {error}, at byte {start:,}") from None

    def _total(self, start: int, end: int, content_range: str) -> int:
        """The size of the file, from an answer that is the requested piece."""
        match = _CONTENT_RANGE.fullmatch(content_range)
        first, last, size = map(int, match.groups()) if match else (-1, -1, -1)
        same = not self.fetched or size == self.size
        if first != start or last != min(end, size) - 1 or not same:
            raise self._refused(f"the server answered another range, {quote(content_range)}")
        return size

    def _refused(self, why: str) -> KvcalcError:
        return SourceError.of(
            self._hub_id.repository,
            f"{quote(self.name, 120)} cannot be read by pieces, {why}; download it and give its "
            "path",
        )
