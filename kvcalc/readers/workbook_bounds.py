"""The bounds of a workbook, held before a library reads it.

Parts are unpacked in pieces and scanned by expat as they come, so that nothing here grows with what
a part holds.
"""

from pathlib import Path
from typing import BinaryIO
from xml.parsers.expat import ExpatError, ParserCreate
from zipfile import ZipFile, ZipInfo

from kvcalc.errors import SourceError, quote
from kvcalc.readers.table import MAX_COLUMNS

MAX_PACKED_BYTES = 2**26
MAX_PART_BYTES = 2**26
MAX_UNPACKED_BYTES = 2**28
MAX_PARTS = 10_000
MAX_RATIO, UNMEASURED_BYTES = 100, 2**20
"""The most bytes unpacked for each packed, of a part past the first bytes (Apache POI's
ZipSecureFile has the same ratio)."""
MAX_ROWS = 1_048_576
"""The most rows of a spreadsheet (Excel specifications and limits)."""
MAX_OTHER_ELEMENTS = 2**18
"""The most elements of a part beside its cells and its texts: a library holds them all at once."""
MAX_DEPTH = 64
MAX_TAGS = 6 * 2**20
"""The most tags of a workbook: a million and a half of cells with values, scanned in seconds."""
MAX_TAG_BYTES = 2**18
"""The most bytes of one tag, past any list of cells in an attribute: a parser begins again at its
start with every piece that it gets."""
MAX_TEXT = 32_767
"""The most characters of a spreadsheet's cell (Excel specifications and limits)."""
MAX_OTHER_TEXT = 2**22
MAX_UNCALCULATED = 100_000
ENTRY = b"PK\x01\x02"
"""What each entry of a zip file's directory begins with (APPNOTE.TXT 4.3.12)."""
PIECE = 2**16


def uncalculated(file: BinaryIO, path: Path | None) -> set[tuple[int, int]]:
    """Scan a workbook, and find the rows and columns of formulas without a calculated value.

    Raises:
        SourceError: it passes a bound, its rows or cells are out of order, or it is not a zip file.
    """
    content = file.read(MAX_PACKED_BYTES + 1)
    if len(content) > MAX_PACKED_BYTES:
        raise SourceError.of(path, f"found more than {MAX_PACKED_BYTES:,} bytes; write .csv")
    if (parts := content.count(ENTRY)) > MAX_PARTS:
        raise SourceError.of(path, f"found {parts:,} parts, expected at most {MAX_PARTS:,}")
    del content
    try:
        with ZipFile(file) as archive:
            _refuse_sizes(archive.infolist(), path)
            found: set[tuple[int, int]] = set()
            tags = 0
            for part in archive.infolist():
                tags = _Part(part, path, found).scan(archive, tags)
    except SourceError:
        raise
    except Exception as error:  # zipfile and zlib: no class in common
        raise SourceError.of(path, f"not a workbook ({quote(str(error))})") from None
    file.seek(0)
    return found


def _refuse_sizes(parts: list[ZipInfo], path: Path | None) -> None:
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED_BYTES:
        raise SourceError.of(
            path, f"found {unpacked:,} bytes when unpacked, expected at most {MAX_UNPACKED_BYTES:,}"
        )
    for part in parts:
        found = f"part {quote(part.filename)}: found {part.file_size:,} bytes when unpacked"
        if part.file_size > MAX_PART_BYTES:
            raise SourceError.of(path, f"{found}, expected at most {MAX_PART_BYTES:,}; write .csv")
        if part.file_size > max(UNMEASURED_BYTES, MAX_RATIO * part.compress_size):
            raise SourceError.of(
                path, f"{found} from {part.compress_size:,}, expected at most {MAX_RATIO} times it"
            )


class _Part:
    """One part while it is scanned: how deep it is, and where in a sheet it stands."""

    def __init__(self, info: ZipInfo, path: Path | None, found: set[tuple[int, int]]) -> None:
        self._info, self._path, self._uncalculated = info, path, found
        self._depth = self._others = self._row = self._column = 0
        self._in_row = self._formula = self._in_value = self._value = self._shared = False
        self._length = 0
        self._parser = ParserCreate(namespace_separator=" ")

    def scan(self, archive: ZipFile, tags: int) -> int:
        """Scan to the end, or to what is no XML; count the tags on from those before it."""
        parser = self._parser
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse_document_type
        fed = 0
        with archive.open(self._info) as file:
            try:
                while piece := file.read(PIECE):
                    fed += len(piece)
                    tags += piece.count(b"<")
                    if tags > MAX_TAGS:
                        raise self._refused(f"found over {MAX_TAGS:,} tags with it; write .csv")
                    parser.Parse(piece, False)
                    if fed - parser.CurrentByteIndex > MAX_TAG_BYTES:
                        raise self._refused(f"found a tag of over {MAX_TAG_BYTES:,} bytes")
            except ExpatError:  # a picture; if it is needed, the library says what is wrong
                pass
        return tags

    def _refused(self, why: str) -> SourceError:
        return SourceError.of(self._path, f"part {quote(self._info.filename)}: {why}")

    def _refuse_document_type(self, *_: object) -> None:
        raise self._refused("found a document type, expected none in a workbook")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refused(f"found more than {MAX_DEPTH} elements inside each other")
        name = name.rpartition(" ")[2]
        if not self._shared and (not self._in_row or self._depth == 4):
            self._length = 0
        if self._in_row:
            self._start_in_row(name, attributes)
        elif name == "row" and self._depth == 3:  # worksheet, sheetData, row
            self._in_row = True
            self._row = self._next("row", self._row, attributes.get("r"), MAX_ROWS)
            self._column = 0
        elif name in ("si", "r", "t"):  # texts that sheets share, which are kept as texts
            self._shared |= name == "si" and self._depth == 2
        else:
            self._others += 1
            if self._others > MAX_OTHER_ELEMENTS:
                raise self._refused(
                    f"found more than {MAX_OTHER_ELEMENTS:,} elements beside cells and texts"
                )

    def _start_in_row(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c" and self._depth == 4:
            place = attributes.get("r")
            number = None if place is None else _column(place)
            self._column = self._next("column", self._column, number, MAX_COLUMNS)
            self._value = attributes.get("t") == "str"  # a text, which may be empty
        elif name == "f":
            self._formula = True
        else:
            self._in_value = name == "v"

    def _text(self, text: str) -> None:
        self._value |= self._in_value
        self._length += len(text)
        most = MAX_TEXT if self._in_row or self._shared else MAX_OTHER_TEXT
        if self._length > most:
            raise self._refused(f"found a text of over {most:,} characters")

    def _end_of_cell(self) -> None:
        if self._formula and not self._value:
            self._uncalculated.add((self._row, self._column))
            if len(self._uncalculated) > MAX_UNCALCULATED:
                raise self._refused(
                    f"found more than {MAX_UNCALCULATED:,} formulas that were never calculated; "
                    "save it in a spreadsheet program"
                )
        self._formula = self._in_value = False

    def _next(self, what: str, last: int, found: str | int | None, most: int) -> int:
        """Take the number of a row or column, by default the next: they rise, up to the most."""
        if found is None:
            found = last + 1
        if isinstance(found, str):
            found = int(found) if found.isdecimal() and len(found) < 10 else most + 1
        if not last < found <= most:
            raise self._refused(
                f"found a {what} {found:,} after {last:,} in row {self._row:,}, "
                f"expected them in their order, up to {most:,}"
            )
        return found

    def _end(self, _: str) -> None:
        if self._in_row and self._depth == 4:
            self._end_of_cell()
        elif self._depth == 3:
            self._in_row = False
        elif self._depth == 2:
            self._shared = False
        self._depth -= 1


def _column(place: str) -> int:
    """Read the column of a cell's place: 1 for A12, 16,384 for XFD1; 0 for anything else."""
    letters = place.rstrip("0123456789")
    if not letters.isascii() or not letters.isalpha() or len(letters) > 3:
        return 0
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
