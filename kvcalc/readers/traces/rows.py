"""A file's rows as requests: their times, tokens and blocks in SQL, and why a row is bad."""

import re

from kvcalc.errors import SourceError, quote
from kvcalc.readers.traces.formats import UNITS_US, Format
from kvcalc.readers.traces.service import Service
from kvcalc.readers.traces.source import Source

MAX_TOKENS = 10**9
"""The most tokens of one request; a larger count is taken for a mistake."""

MAX_NANOSECONDS = 2**62
"""The latest end, since 1970 or the trace's own beginning."""

WRONG = (
    "CASE WHEN start IS NULL THEN 'found no time of its start in' "
    "WHEN start < 0 THEN 'found a negative time in' "
    f"WHEN start > {MAX_NANOSECONDS} OR life > {MAX_NANOSECONDS} - start "
    "THEN 'found a time of more than a century in' "
    "WHEN (read = trunc(read) AND wrote = trunc(wrote)) IS NOT TRUE "
    "THEN 'found no whole counts of tokens in' "
    f"WHEN read < 0 OR wrote < 0 OR read + wrote > {MAX_TOKENS} "
    f"THEN 'found counts of tokens outside 0 to {MAX_TOKENS:,} in' "
    "WHEN life IS NULL THEN 'found no duration in' "
    "WHEN life < 0 THEN 'found an end before its start in' "
    "WHEN no_blocks THEN 'found no list of exact ids of blocks in' END"
)
"""Why a row is bad; start and life are nanoseconds, read and wrote are counts as doubles."""

QUOTE = "found a quote that does not close in its cell, in"

ROUNDED = "[0-9]{16,}[.]"
"""An id that was a floating-point number past 2^53, so that others may have become the same."""

NUMBERS = re.compile("U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*")
TOKENS = ("input", "output")


class RequestRows:
    """The rows of one file: when each request starts, how long it lives, and its tokens."""

    def __init__(
        self, source: Source, form: Format, service: Service | None, with_blocks: bool
    ) -> None:
        self.source = source
        self.form = form
        self._start = self._nanoseconds("start", form.unit)
        self._life = self._life_of(service)
        self._blocks = self._no_blocks = "NULL"
        if with_blocks and "blocks" in form.columns:
            ids = self._column("blocks")
            self._blocks = f"TRY_CAST({ids} AS VARCHAR[])"
            self._no_blocks = (
                f"({ids} IS NOT NULL AND ({self._blocks} IS NULL "
                f"OR list_aggregate({self._blocks}, 'count') < len({self._blocks}) "
                f"OR regexp_matches({ids}::VARCHAR, '{ROUNDED}')))"
            )

    def insert(self) -> int:
        """Insert the rows into the table raw, bad ones as nulls, and count the bad ones."""
        before = self.source.run("SELECT count(*) FROM raw")[0][0]
        self.source.run(
            "INSERT INTO raw SELECT CASE WHEN good THEN start END, CASE WHEN good THEN life END, "
            "CASE WHEN good THEN read::INTEGER END, CASE WHEN good THEN wrote::INTEGER END, blocks "
            f"FROM (SELECT *, ({WRONG}) IS NULL AS good FROM ({self._values()}))"
        )
        nulls = self.source.run(
            "SELECT count(*) FROM raw WHERE rowid >= ? AND start IS NULL", [before]
        )[0][0]
        return int(nulls) + len(self.source.rejects())

    def refuse(self, *, unless_skipped: bool) -> None:
        """Name the first bad row, or the first that cannot be skipped.

        Raises:
            SourceError: there is one; the sentence gives the line and its content.
        """
        rejects = self.source.rejects()
        if unless_skipped:
            # How many rows a quote took along nobody can say.
            rejects = [one for one in rejects if one.runs_on]
            if not rejects:
                return
        values = ", ".join(
            f"{_quoted(column)}::VARCHAR"
            for question, column in self.form.columns.items()
            if question != "blocks"
        )
        self.source.run("SET preserve_insertion_order = true")
        numbered = self._values(f", concat_ws(', ', {values}) AS told, row_number() OVER () AS row")
        found = [
            (self.source.line_of(row), why, told)
            for row, why, told in self.source.run(
                f"SELECT row, {WRONG}, told FROM ({numbered}) WHERE {WRONG} IS NOT NULL "
                "ORDER BY row LIMIT 1"
            )
            if not unless_skipped
        ]
        width = f"found no row of {len(self.source.types)} columns in"
        found += [(one.line, QUOTE if one.runs_on else width, one.text) for one in rejects]
        line, why, told = min(found)
        unit = "row" if self.source.kind == "parquet" else "line"
        raise SourceError.of(self.source.path, f"{unit} {line:,}: {why} {quote(told, 200)}")

    def _values(self, more: str = "") -> str:
        read, wrote = (self._tokens(one) for one in TOKENS)
        return (
            f"SELECT {self._start} AS start, {self._life} AS life, {read} AS read, "
            f"{wrote} AS wrote, {self._blocks} AS blocks, {self._no_blocks} AS no_blocks{more} "
            f"FROM {self.source.scan()}"
        )

    def _tokens(self, question: str) -> str:
        """A count as a double, which is exact for every count that is allowed."""
        return f"TRY_CAST({self._column(question)} AS DOUBLE)"

    def _life_of(self, service: Service | None) -> str:
        if "end" in self.form.columns:
            return f"TRY({self._nanoseconds('end', self.form.unit)} - {self._start})"
        if "duration" in self.form.columns:
            return self._nanoseconds("duration", self.form.duration_unit)
        assert service is not None
        a, b, c = service.terms()
        # Rounded up to whole nanoseconds; ends are later rounded up to microseconds.
        most = MAX_TOKENS * 1000 * max(a, b) + c
        integer = "BIGINT" if most < 2**63 else "HUGEINT"
        read, wrote = (
            f"CASE WHEN {self._tokens(one)} BETWEEN 0 AND {MAX_TOKENS} "
            f"THEN {self._tokens(one)}::{integer} END"
            for one in TOKENS
        )
        whole = f"({read}) * {1000 * a} + ({wrote}) * {1000 * b}"
        return f"TRY_CAST(({whole} + {c - 1}) // {c} AS BIGINT)"

    def _column(self, question: str) -> str:
        """A column's value; text is trimmed."""
        # Without trim, DuckDB 2.0 reads a CSV's column as the first type to which it is cast.
        column = self.form.columns[question]
        return _quoted(column) if self.source.kind == "parquet" else f"trim({_quoted(column)})"

    def _nanoseconds(self, question: str, unit: str | None) -> str:
        column = self.form.columns[question]
        kind = self.source.types[column]
        if column in self.source.durations:
            return (
                f"TRY_CAST({_quoted(column)}::HUGEINT * {self.source.durations[column]} AS BIGINT)"
            )
        if kind in ("INTERVAL", "TIMESTAMP WITH TIME ZONE"):
            return f"TRY(epoch_ns({_quoted(column)}))"
        if kind == "DATE":
            raise SourceError.of(
                self.source.path, f"column {quote(column)} has days without a time of day"
            )
        if not NUMBERS.fullmatch(kind):
            date = self._date(question)
            if kind != "VARCHAR" or unit is None:
                return date
            # With a unit, numbers are in it; a text that is not a number may still be a date.
            return f"COALESCE({self._number(question, unit)}, {date})"
        if unit is None:
            raise SourceError.of(
                self.source.path,
                f"column {quote(column)} has numbers; give --time-unit s, ms or us",
            )
        return self._number(question, unit)

    def _date(self, question: str) -> str:
        """A date and time: TIMESTAMP_NS has no time zone, and TIMESTAMPTZ has no nanoseconds."""
        text = self._column(question)
        return (
            f"TRY(epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) * 1000 "
            f"+ epoch_ns(TRY_CAST({text} AS TIMESTAMP_NS)) % 1000)"
        )

    def _number(self, question: str, unit: str) -> str:
        column = self.form.columns[question]
        scale = UNITS_US[unit] * 1000
        if self.source.types[column] in ("BIGINT", "INTEGER"):
            return f"TRY_CAST({_quoted(column)}::HUGEINT * {scale} AS BIGINT)"
        # Exact decimals: a floating-point number would round a time.
        return f"TRY_CAST(TRY_CAST({self._column(question)} AS DECIMAL(28, 9)) * {scale} AS BIGINT)"


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
