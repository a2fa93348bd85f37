"""A file's rows as requests: their times, tokens and blocks in SQL, and why a row is none."""

from kvcalc.errors import KvcalcError, shown
from kvcalc.readers.traces.formats import UNITS_US, Format
from kvcalc.readers.traces.service import Service
from kvcalc.readers.traces.source import Source

MAX_TOKENS = 10**9
"""Of one request: past it a count is taken for a mistake."""

WRONG = (
    "CASE WHEN start IS NULL THEN 'found no time of its start in' "
    "WHEN start < 0 THEN 'found a negative time in' "
    "WHEN input IS NULL OR output IS NULL THEN 'found no whole counts of tokens in' "
    f"WHEN input < 0 OR output < 0 OR input + output > {MAX_TOKENS} "
    f"THEN 'found counts of tokens outside 0 to {MAX_TOKENS:,} in' "
    "WHEN life IS NULL THEN 'found no duration in' "
    "WHEN life < 0 THEN 'found an end before its start in' END"
)
"""Why a row is none."""

NUMBERS = ("BIGINT", "INTEGER", "DOUBLE", "FLOAT", "HUGEINT", "UBIGINT")


class Rows:
    """The rows of one file, in nanoseconds: when a request starts and how long it lives."""

    def __init__(
        self, source: Source, form: Format, service: Service | None, with_blocks: bool
    ) -> None:
        self.source = source
        self.form = form
        self._start = self._nanoseconds("start", form.unit)
        self._life = self._life_of(service)
        self._blocks = "NULL"
        if with_blocks and "blocks" in form.columns:
            self._blocks = f"{_quoted(form.columns['blocks'])}::BIGINT[]"

    def first_start(self) -> int | None:
        """The first start in the file, in nanoseconds."""
        found = self.source.run(
            f"SELECT min(start) FROM (SELECT {self._start} AS start FROM {self.source.scan()}) "
            "WHERE start >= 0"
        )
        return None if found[0][0] is None else int(found[0][0])

    def insert(self, first: int, skip_bad: bool) -> int:
        """Insert the requests into the table; bad rows are counted, or the first is named.

        Raises:
            KvcalcError: a row is no request; the sentence names its line.
        """
        bad = self.source.run(f"SELECT count(*) FROM ({self._values()}) WHERE {WRONG} IS NOT NULL")
        if bad[0][0] and not skip_bad:
            self._refuse()
        where = f" WHERE {WRONG} IS NULL" if bad[0][0] else ""
        self.source.run(
            f"INSERT INTO requests SELECT (start - {first}) // 1000, "
            f"(start - {first} + life + 999) // 1000, input, output, blocks "
            f"FROM ({self._values()}){where}"
        )
        return int(bad[0][0])

    def _values(self, more: str = "") -> str:
        tokens = (f"TRY_CAST({self._column(one)} AS BIGINT)" for one in TOKENS)
        read, wrote = tokens
        return (
            f"SELECT {self._start} AS start, {self._life} AS life, {read} AS input, "
            f"{wrote} AS output, {self._blocks} AS blocks{more} FROM {self.source.scan()}"
        )

    def _refuse(self) -> None:
        shown_columns = [
            f"{_quoted(column)}::VARCHAR"
            for question, column in self.form.columns.items()
            if question != "blocks"
        ]
        told = f", concat_ws(', ', {', '.join(shown_columns)}) AS told"
        numbered = self._values(f"{told}, row_number() OVER () AS line")
        line, wrong, values = self.source.run(
            f"SELECT line, {WRONG}, told FROM ({numbered}) WHERE {WRONG} IS NOT NULL "
            "ORDER BY line LIMIT 1"
        )[0]
        unit = "row" if self.source.kind == "parquet" else "line"
        number = line + (self.source.kind == "csv")
        raise KvcalcError(f"{self.source.name}: {unit} {number:,}: {wrong} {shown(values, 200)}")

    def _life_of(self, service: Service | None) -> str:
        if "end" in self.form.columns:
            return f"({self._nanoseconds('end', self.form.unit)} - {self._start})"
        if "duration" in self.form.columns:
            return self._nanoseconds("duration", self.form.duration_unit)
        assert service is not None
        a, b, c = service.terms()
        read, wrote = (f"TRY_CAST({self._column(one)} AS HUGEINT)" for one in TOKENS)
        # Rounded up to whole nanoseconds, as ends are to microseconds: the ceiling of a ceiling.
        whole = f"{read} * {1000 * a} + {wrote} * {1000 * b}"
        return f"TRY_CAST(({whole} + {c - 1}) // {c} AS BIGINT)"

    def _column(self, question: str) -> str:
        """A column's value: of a CSV its trimmed text."""
        # Without trim, DuckDB 2.0 reads a CSV's column as the first of the types it is cast to.
        column = self.form.columns[question]
        return f"trim({_quoted(column)})" if self.source.kind == "csv" else _quoted(column)

    def _nanoseconds(self, question: str, unit: str | None) -> str:
        column = self.form.columns[question]
        if unit is None:
            if self.source.types[column] in NUMBERS:
                raise KvcalcError(
                    f"{self.source.name}: column {shown(column)} has numbers; give --time-unit s, "
                    "ms or us"
                )
            return f"epoch_ns(TRY_CAST({self._column(question)} AS TIMESTAMP_NS))"
        scale = UNITS_US[unit] * 1000
        if self.source.types[column] in ("BIGINT", "INTEGER"):
            return f"TRY_CAST({_quoted(column)}::HUGEINT * {scale} AS BIGINT)"
        # Exact decimals: a time is no floating-point number.
        return f"TRY_CAST(TRY_CAST({self._column(question)} AS DECIMAL(28, 9)) * {scale} AS BIGINT)"


TOKENS = ("input", "output")


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
