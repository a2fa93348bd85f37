"""One file of a trace: how DuckDB scans it, and its columns."""

import csv
import gzip
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvcalc.errors import KvcalcError, shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_HEADER_BYTES = 2**20


class Source:
    """One file: how DuckDB scans it, and its columns."""

    def __init__(self, base: "DuckDBPyConnection", path: Path) -> None:
        self.base = base
        self.path = path
        self.name = shown(str(path), 300)
        if not path.is_file():
            raise KvcalcError(f"{self.name}: expected a file")
        bare = path.name.lower().removesuffix(".gz")
        self.kind = next(
            (kind for kind in ("parquet", "jsonl", "json") if bare.endswith(kind)), "csv"
        )
        self.types: dict[str, str] = {}
        self.types = self._columns()

    def scan(self) -> str:
        """The table function that reads the file, all of a CSV's columns as text."""
        name = f"'{_escaped(escape(str(self.path)))}'"
        if self.kind == "parquet":
            return f"read_parquet({name})"
        if self.kind != "csv":
            return f"read_json({name}, format='newline_delimited', sample_size=2000)"
        # All columns named, none guessed: a row of another width is an error, not another header.
        listed = ", ".join(f"'{_escaped(column)}': 'VARCHAR'" for column in self.types)
        return (
            f"read_csv({name}, header=true, auto_detect=false, delim=',', quote='\"', escape='\"', "
            f"strict_mode=true, columns={{{listed}}})"
        )

    def _columns(self) -> dict[str, str]:
        """The file's columns and their types; of a CSV as its first line has them."""
        if self.kind != "csv":
            return {row[0]: row[1] for row in self.run(f"DESCRIBE SELECT * FROM {self.scan()}")}
        unpacked = gzip.open if self.path.suffix == ".gz" else open
        try:
            with unpacked(self.path, "rb") as file:
                line = file.readline(MAX_HEADER_BYTES).decode("utf-8-sig")
        except (OSError, EOFError, ValueError) as error:
            raise KvcalcError(f"{self.name}: cannot be read ({shown(str(error))})") from None
        header = next(csv.reader([line]), [])
        if not header or len(set(header)) != len(header) or not line.endswith("\n"):
            raise KvcalcError(f"{self.name}: found no line of different columns, expected a header")
        return dict.fromkeys(header, "VARCHAR")

    def run(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query over the file.

        Raises:
            KvcalcError: the file cannot be read as what its name says.
        """
        import duckdb

        try:
            return self.base.execute(query, list(values)).fetchall()
        except (duckdb.Error, OSError) as error:
            first = str(error).strip().partition("\n")[0]
            raise KvcalcError(f"{self.name}: cannot be read ({shown(first, 200)})") from None


def _escaped(text: str) -> str:
    return text.replace("'", "''")
