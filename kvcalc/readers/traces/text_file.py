"""A trace's file of text, plain or of gzip: its columns, and the bounds that a library needs."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import SEEK_END, TextIOWrapper
from pathlib import Path
from typing import IO, Any

from kvcalc.errors import SourceError, quote

MAX_LINE = 2**20
"""The most characters of a line that are read to find the columns."""

SAMPLED_LINES = 1000

MAX_COLUMNS = 4_096
"""The most columns of a file: DuckDB takes memory for each, asked for or not."""

MAX_CSV_LINE = 2**21
"""The bytes of a line that DuckDB's reader takes (its max_line_size). One longer than its buffer is
neither a row nor a reject of its, but lost."""

PIECE = 2**16


class TextFile:
    """A file of text, which may be packed.

    Raises:
        SourceError: it cannot be read or unpacked, or has a longer line than is read.
    """

    def __init__(self, path: Path, *, packed: bool, is_csv: bool) -> None:
        self._path, self._packed, self._is_csv = path, packed, is_csv
        if packed:
            self._check_packed()
        elif is_csv:
            self._check_lines()

    def columns(self) -> list[str]:
        """The file's columns, for JSON the keys in its first lines; an empty one has none.

        Raises:
            SourceError: it has no header or no object, or more columns than are read.
        """
        return self._header() if self._is_csv else list(self._keys())

    @contextmanager
    def opened(self) -> Iterator[IO[str]]:
        """Open it to read text; what is no UTF-8 is replaced.

        Raises:
            SourceError: it cannot be read.
        """
        with (
            self._binary() as file,
            TextIOWrapper(file, encoding="utf-8", errors="replace", newline="") as text,
        ):
            yield text

    @contextmanager
    def _binary(self) -> Iterator[IO[bytes]]:
        opened: Any = gzip.open if self._packed else open
        try:
            with opened(self._path, "rb") as file:
                yield file
        except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
            raise SourceError.of(self._path, f"cannot be read ({quote(str(error))})") from None

    def _check_packed(self) -> None:
        """Unpack it once, to verify the checksum, which DuckDB ignores, and how long lines are."""
        with self._binary() as file:
            while piece := file.read(MAX_CSV_LINE):
                if self._is_csv and len(piece) == MAX_CSV_LINE and b"\n" not in piece:
                    raise self._too_long()

    def _check_lines(self) -> None:
        """Look into it at distances that no line is longer than."""
        with self._binary() as file:
            size = file.seek(0, SEEK_END)
            for start in range(0, size - MAX_CSV_LINE, MAX_CSV_LINE):
                file.seek(start)
                for _ in range(0, MAX_CSV_LINE, PIECE):
                    if b"\n" in file.read(PIECE):
                        break
                else:
                    raise self._too_long()

    def _too_long(self) -> SourceError:
        return SourceError.of(
            self._path, f"found a line of more than {MAX_CSV_LINE:,} bytes, expected rows"
        )

    def _header(self) -> list[str]:
        with self.opened() as file:
            line = file.readline(MAX_LINE)
            header = next(csv.reader([line.removeprefix("\ufeff")]), [])
        self._refuse_wide(len(header))
        # A column without a name, as an index that pandas writes, is not asked for.
        header = [name or f"(column {place})" for place, name in enumerate(header, 1)]
        if not header or len(set(header)) != len(header) or not line.endswith("\n"):
            raise SourceError.of(self._path, "found no line of distinct columns, expected a header")
        return header

    def _keys(self) -> dict[str, None]:
        """The keys of the objects in the first lines, in their order."""
        keys: dict[str, None] = {}
        lines = 0
        with self.opened() as file:
            while lines < SAMPLED_LINES and (line := file.readline(MAX_LINE)):
                lines += 1
                with suppress(ValueError, RecursionError):
                    found = json.loads(line)
                    keys |= dict.fromkeys(found if isinstance(found, dict) else ())
                self._refuse_wide(len(keys))
        if lines and not keys:
            raise SourceError.of(
                self._path, "found no JSON object in a line, expected one per line and no array"
            )
        return keys

    def _refuse_wide(self, columns: int) -> None:
        if columns > MAX_COLUMNS:
            raise SourceError.of(
                self._path, f"found {columns:,} columns, expected at most {MAX_COLUMNS:,}"
            )
