"""A Parquet file's rows, streamed."""

from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path
from typing import Any

from kvcalc.errors import MissingExtraError, SourceError, quote
from kvcalc.readers.table import MAX_CELL_CHARACTERS, Table, header_of, text_of

MAX_CHUNK_BYTES = 2**27
"""The most bytes that a column has in a group of rows, all of which are in memory at once."""

LONG = f"a text of more than {MAX_CELL_CHARACTERS:,} bytes, expected a cell's"

SCAN = "FROM read_parquet(?, hive_partitioning=false)"


def parquet(path: Path) -> Table:
    """Read the columns that stand in the file; folders named key=value add none.

    Raises:
        MissingExtraError: duckdb is not installed.
        SourceError: it is not Parquet.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError.of("reading Parquet needs", "parquet") from None
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")  # kvcalc has its own
    file = [escape(str(path))]
    try:
        sizes = "SELECT max(total_uncompressed_size) FROM parquet_metadata(?)"
        ((size,),) = connection.execute(sizes, file).fetchall()
        if (size or 0) > MAX_CHUNK_BYTES:
            raise SourceError.of(
                path,
                f"found {size:,} bytes of a column at once, expected at most {MAX_CHUNK_BYTES:,}",
            )
        kinds = connection.execute(f"DESCRIBE SELECT * {SCAN}", file).fetchall()
        found = connection.execute(f"SELECT {_columns(kinds)} {SCAN}", file)
    except duckdb.Error as error:
        raise SourceError.of(path, f"not Parquet ({quote(str(error))})") from None
    header = header_of([name for name, *_ in kinds], path)

    def rows() -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            while batch := found.fetchmany(8_192):
                for cells in batch:
                    number += 1
                    if cells[-1]:
                        raise SourceError.of(path, f"row {number:,}: found {LONG}")
                    yield number, [text_of(cell) for cell in cells[:-1]]
        except duckdb.Error as error:
            raise SourceError.of(path, f"row {number:,}: {quote(str(error))}") from None

    return Table(header, rows())


def _columns(kinds: Iterable[tuple[Any, ...]]) -> str:
    """Ask for the columns, without texts too long for a cell, and last whether there is such."""
    columns, lengths = [], ["0"]
    for name, kind, *_ in kinds:
        quoted = '"' + name.replace('"', '""') + '"'
        if kind == "VARCHAR":
            length = f"strlen({quoted})"
            lengths.append(length)
            columns.append(f"CASE WHEN {length} <= {MAX_CELL_CHARACTERS} THEN {quoted} END")
        else:
            columns.append(quoted)
    return f"{', '.join(columns)}, greatest({', '.join(lengths)}, 0) > {MAX_CELL_CHARACTERS}"
