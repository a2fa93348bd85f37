"""One file of a trace: how DuckDB scans it, its columns, and the line of each row."""

import csv
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc.errors import SourceError, first_line, quote
from kvcalc.readers.traces.durations import KEY, durations
from kvcalc.readers.traces.text_file import TextFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PACKED = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "lz4",
}
"""How files of other programs begin (RFC 8878, the formats' own pages), and the program."""


UNCLOSED = "UNQUOTED VALUE"
"""DuckDB's word for a quote that ends elsewhere than its cell, or nowhere."""


class Reject(NamedTuple):
    """A line of a CSV file that is no row; `runs_on` if a quote takes lines after it along."""

    line: int
    text: str
    runs_on: bool


class Source:
    """One file: how DuckDB scans it, and its columns with their types.

    CSV and JSONL are read as text, so that no number is rounded before it is checked.
    """

    def __init__(self, base: "DuckDBPyConnection", path: Path) -> None:
        self.base = base
        self.path = path
        if not path.is_file():
            raise SourceError.of(self.path, "expected a file")
        self.packed = path.suffix.lower() == ".gz"
        self._refuse_packed()
        bare = path.name.lower().removesuffix(".gz")
        self.kind = next(
            (kind for kind in ("parquet", "jsonl", "json") if bare.endswith(kind)), "csv"
        )
        self._text = f"'{_escaped(escape(str(path)))}'"
        self._text += ", compression='gzip'" if self.packed else ""
        if self.kind != "parquet":
            self._file = TextFile(path, packed=self.packed, is_csv=self.kind == "csv")
        self.types = self._types()
        self.durations = self._durations()
        """Nanoseconds in one unit of each column of a Parquet file that is a duration."""

    def _refuse_packed(self) -> None:
        """Refuse a file that is packed in a way that is not read, whatever its name.

        Raises:
            SourceError: it begins as a file of such a program does.
        """
        try:
            with self.path.open("rb") as file:
                begin = file.read(max(map(len, PACKED)))
        except OSError as error:
            raise SourceError.of(self.path, f"cannot be read ({quote(str(error))})") from None
        for magic, program in PACKED.items():
            if begin.startswith(magic):
                raise SourceError.of(
                    self.path, f"is packed by {program}, expected a plain file or one of gzip"
                )

    def scan(self) -> str:
        """The table function that reads the file; a bad line of JSONL becomes a row of nulls."""
        if self.kind == "parquet":
            return f"read_parquet({self._text}, hive_partitioning=false)"
        # All columns are named and none guessed: a row of another width is an error, not a header.
        listed = ", ".join(f"'{_escaped(column)}': 'VARCHAR'" for column in self.types)
        if self.kind != "csv":
            return (
                f"read_json({self._text}, format='newline_delimited', ignore_errors=true, "
                f"hive_partitioning=false, columns={{{listed}}})"
            )
        return (
            f"read_csv({self._text}, header=true, auto_detect=false, delim=',', quote='\"', "
            f"escape='\"', strict_mode=true, store_rejects=true, hive_partitioning=false, "
            f"columns={{{listed}}})"
        )

    def _types(self) -> dict[str, str]:
        """The file's columns, for text those in its first lines; an empty JSONL file has none."""
        if self.kind != "parquet":
            return dict.fromkeys(self._file.columns(), "VARCHAR")
        return {row[0]: row[1] for row in self.run(f"DESCRIBE SELECT * FROM {self.scan()}")}

    def _durations(self) -> dict[str, int]:
        if self.kind != "parquet":
            return {}
        query = f"SELECT value FROM parquet_kv_metadata({self._text}) WHERE key = '{KEY}'::BLOB"
        return {name: unit for row in self.run(query) for name, unit in durations(row[0]).items()}

    def rejects(self) -> list[Reject]:
        """The lines of a CSV file that scans have rejected, each once."""
        if self.kind != "csv":
            return []
        found = self.run(
            "SELECT line, any_value(csv_line), bool_or(error_type = ?) FROM reject_errors JOIN "
            "reject_scans USING (scan_id, file_id) WHERE file_path = ? GROUP BY line ORDER BY line",
            [UNCLOSED, str(self.path)],
        )
        told = [(line, (text or "").strip(), unclosed) for line, text, unclosed in found]
        return [Reject(line, text, unclosed and "\n" in text) for line, text, unclosed in told]

    def line_of(self, row: int) -> int:
        """The line on which a row ends; DuckDB numbers rows without blank and rejected lines.

        For Parquet, the row number itself.
        """
        if self.kind == "parquet":
            return row
        with self._file.opened() as file:
            if self.kind == "csv":
                reader = csv.reader(file, strict=True)
                width = len(next(reader))
                lines = (reader.line_num for cells in reader if len(cells) == width)
            else:
                lines = (number for number, line in enumerate(file, 1) if line.strip())
            for count, line in enumerate(lines, 1):
                if count == row:
                    return line
        return row

    def run(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query over the file.

        Raises:
            SourceError: the file cannot be read in the format that its name says.
        """
        import duckdb

        try:
            return self.base.execute(query, list(values)).fetchall()
        except (duckdb.Error, OSError) as error:
            raise SourceError.of(
                self.path, f"cannot be read ({quote(first_line(error), 200)})"
            ) from None


def _escaped(text: str) -> str:
    return text.replace("'", "''")
