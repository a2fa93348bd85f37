"""Files of traces into one table of requests in DuckDB: whole microseconds from the first start.

requests(t0, t1, input, output, blocks): a start rounded down, an end rounded up, counts of tokens.
"""

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc.errors import KvcalcError, shown
from kvcalc.readers.traces.formats import UNITS_US, Format, recognised
from kvcalc.readers.traces.service import Service

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_HEADER_BYTES = 2**20

MAX_TOKENS = 10**9
"""Of one request: past it a count is taken for a mistake."""


class Loaded(NamedTuple):
    """What was read: requests, those without any life, bad rows, and tokens of a prompt's block."""

    requests: int
    without_life: int
    bad_rows: int
    block_tokens: int


def connect() -> "DuckDBPyConnection":
    """Open a database in memory, which spills to disk and reads no file that is not named.

    Raises:
        KvcalcError: duckdb is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise KvcalcError(
            "a trace needs the extra kvcalc[trace]: pip install 'kvcalc[trace]'"
        ) from None
    return duckdb.connect()


def load(
    base: "DuckDBPyConnection",
    files: Iterable[str | Path],
    *,
    service: Service | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: str | None = None,
    skip_bad: bool = False,
) -> Loaded:
    """Read files into the tables requests and trace.

    Raises:
        KvcalcError: no such file, one that is no trace, a row that is none (its line is named), or
            a trace without durations where no service model is given.
    """
    if time_unit is not None and time_unit not in UNITS_US:
        raise KvcalcError(f"time_unit: found {shown(time_unit)}, expected {', '.join(UNITS_US)}")
    base.execute(
        "CREATE TABLE raw(file VARCHAR, line BIGINT, start HUGEINT, life HUGEINT, "
        "input BIGINT, output BIGINT, blocks BIGINT[])"
    )
    bad = 0
    block_tokens = 0
    for path in _paths(files):
        source = _Source(base, path)
        form = recognised(list(source.types), columns or {}, time_unit, source.name)
        block_tokens = block_tokens or form.block_tokens
        if "duration" not in form.columns and "end" not in form.columns and service is None:
            raise KvcalcError(
                f"{source.name}: has no durations; give --prefill-rate and --decode-rate, in "
                "tokens a second"
            )
        bad += source.insert(form, service, skip_bad)
    base.execute(
        "CREATE TABLE requests AS SELECT ((start - first) // 1000)::BIGINT AS t0, "
        "((start - first + life + 999) // 1000)::BIGINT AS t1, input, output, blocks "
        "FROM raw, (SELECT min(start) AS first FROM raw)"
    )
    base.execute("DROP TABLE raw")
    base.execute(
        "CREATE VIEW trace AS SELECT t0, t1, input + output AS tokens, input AS prompt "
        "FROM requests"
    )
    requests, without_life = base.execute(
        "SELECT count(*), count(*) FILTER (t1 <= t0) FROM requests"
    ).fetchall()[0]
    return Loaded(requests, without_life, bad, block_tokens)


def _paths(files: Iterable[str | Path]) -> list[Path]:
    found: list[Path] = []
    for file in files:
        text = str(file)
        pattern = Path(text)
        matches = [pattern] if pattern.exists() else sorted(pattern.parent.glob(pattern.name))
        if not matches:
            raise KvcalcError(f"{shown(text, 300)}: found nothing, expected a trace")
        found += matches
    if not found:
        raise KvcalcError("files: found none, expected at least one trace")
    return found


class _Source:
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
            return {row[0]: row[1] for row in self._run(f"DESCRIBE SELECT * FROM {self.scan()}")}
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

    def insert(self, form: Format, service: Service | None, skip_bad: bool) -> int:
        """Insert the file's rows; those that are none are counted, or the first is named."""
        picked = ", ".join(
            f"{_quoted(column)} AS {question}_" for question, column in form.columns.items()
        )
        checked = self._checked(form)
        lines = "row_number() OVER ()" if self.kind != "parquet" else "NULL"
        numbered = f"SELECT {lines} AS line, {picked} FROM {self.scan()}"
        start, life = self._start(form), self._life(form, service)
        blocks = "blocks_" if "blocks" in form.columns else "NULL"
        values = (
            f"SELECT line, {start} AS start, {life} AS life, "
            f"TRY_CAST(input_ AS BIGINT) AS input, TRY_CAST(output_ AS BIGINT) AS output, "
            f"{blocks}::BIGINT[] AS blocks, {checked} AS told FROM ({numbered})"
        )
        self._run(f"CREATE TEMP TABLE part AS SELECT *, {WRONG} AS wrong FROM ({values})")
        first = self._run("SELECT min(line), count(*) FROM part WHERE wrong IS NOT NULL")[0]
        if first[1] and not skip_bad:
            told = self._run(
                "SELECT line, wrong, told FROM part WHERE wrong IS NOT NULL ORDER BY line LIMIT 1"
            )[0]
            line = "" if told[0] is None else f"line {told[0] + (self.kind == 'csv'):,}: "
            raise KvcalcError(f"{self.name}: {line}{told[1]} {shown(told[2], 200)}")
        self._run(
            "INSERT INTO raw SELECT ?, line, start, life, input, output, blocks FROM part "
            "WHERE wrong IS NULL",
            [str(self.path)],
        )
        self._run("DROP TABLE part")
        return int(first[1])

    def _start(self, form: Format) -> str:
        return self._nanoseconds("start_", form.columns["start"], form.unit)

    def _life(self, form: Format, service: Service | None) -> str:
        """Nanoseconds that a request lives."""
        if "end" in form.columns:
            end = self._nanoseconds("end_", form.columns["end"], form.unit)
            return f"({end} - {self._start(form)})"
        if "duration" in form.columns:
            return self._nanoseconds("duration_", form.columns["duration"], form.duration_unit)
        assert service is not None
        a, b, c = service.terms()
        # Rounded up to whole nanoseconds, as ends are to microseconds: the ceiling of a ceiling.
        life = f"TRY_CAST(input_ AS HUGEINT) * {a} + TRY_CAST(output_ AS HUGEINT) * {b}"
        return f"((({life}) * 1000 + {c - 1}) // {c})"

    def _nanoseconds(self, name: str, column: str, unit: str | None) -> str:
        if unit is None:
            if self.types[column] in ("BIGINT", "INTEGER", "DOUBLE", "HUGEINT", "UBIGINT"):
                raise KvcalcError(
                    f"{self.name}: column {shown(column)} has numbers; give --time-unit s, ms or us"
                )
            return f"epoch_ns(TRY_CAST({name} AS TIMESTAMP_NS))::HUGEINT"
        scale = UNITS_US[unit] * 1000
        # Exact decimals: a time is no floating-point number.
        return f"CAST(TRY_CAST({name} AS DECIMAL(28, 9)) * {scale} AS HUGEINT)"

    def _checked(self, form: Format) -> str:
        """What is shown of a bad row: its own values."""
        shown_columns = [f"{question}_" for question in form.columns if question != "blocks"]
        return "concat_ws(', ', " + ", ".join(f"{one}::VARCHAR" for one in shown_columns) + ")"

    def _run(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return self.base.execute(query, list(values)).fetchall()
        except (duckdb.Error, OSError) as error:
            first = str(error).strip().partition("\n")[0]
            raise KvcalcError(f"{self.name}: cannot be read ({shown(first, 200)})") from None


WRONG = (
    "CASE WHEN start IS NULL THEN 'found no time of its start in' "
    "WHEN start < 0 THEN 'found a negative time in' "
    "WHEN input IS NULL OR output IS NULL THEN 'found no whole counts of tokens in' "
    f"WHEN input < 0 OR output < 0 OR input + output > {MAX_TOKENS} "
    f"THEN 'found counts of tokens outside 0 to {MAX_TOKENS:,} in' "
    "WHEN life IS NULL THEN 'found no duration in' "
    "WHEN life < 0 THEN 'found an end before its start in' END"
)
"""Why a row is none, in SQL."""


def _escaped(text: str) -> str:
    return text.replace("'", "''")


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
