"""A Parquet file's rows, streamed."""

from collections.abc import Iterator
from glob import escape
from pathlib import Path

from kvcalc.errors import MissingExtraError, SourceError, quote
from kvcalc.readers.table import Table, header_of, text_of


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
    try:
        found = connection.execute(
            "SELECT * FROM read_parquet(?, hive_partitioning=false)", [escape(str(path))]
        )
    except duckdb.Error as error:
        raise SourceError.of(path, f"not Parquet ({quote(str(error))})") from None
    header = header_of([column[0] for column in found.description or ()], path)

    def rows() -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            while batch := found.fetchmany(8_192):
                for cells in batch:
                    number += 1
                    yield number, [text_of(cell) for cell in cells]
        except duckdb.Error as error:
            raise SourceError.of(path, f"row {number:,}: {quote(str(error))}") from None

    return Table(header, rows())
