"""Files of traces into one table of requests in DuckDB, in microseconds from the first start.

requests(t0, t1, input, output, blocks): starts are rounded down, ends up; counts are tokens.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, NamedTuple
from weakref import finalize

from kvcalc.errors import MissingExtraError, RequestError, SourceError, quote, reason
from kvcalc.readers.traces.formats import UNITS_US, recognised
from kvcalc.readers.traces.rows import RequestRows
from kvcalc.readers.traces.service import Service
from kvcalc.readers.traces.source import Source
from kvcalc.scratch import make, remove

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Loaded(NamedTuple):
    """What was read: counts of requests, of those that end at once, and of bad rows.

    `block_tokens` are the tokens per block of a prompt; `modelled` says whether the service model
    gave some of the lives.
    """

    requests: int
    without_life: int
    bad_rows: int
    block_tokens: int
    modelled: bool


MEMORY = "6GiB"
"""The memory that DuckDB uses before it spills to the folder of temporary files."""


def connect() -> "DuckDBPyConnection":
    """Open a database in memory, which spills to disk and reads only files that are named.

    Raises:
        MissingExtraError: duckdb is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError.of("a trace needs", "trace") from None
    spilled = make(Path(gettempdir()))
    base = duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "temp_directory": str(spilled),
            "python_enable_replacements": "false",
            "autoinstall_known_extensions": "false",
            "preserve_insertion_order": "false",
        }
    )
    finalize(base, remove, spilled)
    base.execute("SET enable_progress_bar = false")  # kvcalc has its own
    with suppress(duckdb.Error):  # a build without time zones knows UTC only
        base.execute("SET TimeZone = 'UTC'")
    return base


def load(
    base: "DuckDBPyConnection",
    files: Iterable[str | Path],
    *,
    service: Service | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: str | None = None,
    skip_bad: bool = False,
    with_blocks: bool = True,
) -> Loaded:
    """Read files into the tables requests and trace.

    Raises:
        SourceError: a file is missing, is not a trace, or has no durations and no service model is
            given; or a row is bad, whose line is named.
        RequestError: there are no files, or the time unit is not known.
    """
    if time_unit is not None and time_unit not in UNITS_US:
        raise RequestError.of("time_unit", time_unit, f"{', '.join(UNITS_US)}")
    base.execute(
        "CREATE TABLE raw(start BIGINT, life BIGINT, input INTEGER, output INTEGER, "
        f"blocks {'VARCHAR[]' if with_blocks else 'INTEGER'})"
    )
    bad = block_tokens = 0
    modelled = False
    for path in paths(files):
        source = Source(base, path)
        if not source.types:
            continue
        form = recognised(list(source.types), columns or {}, time_unit, source.path)
        dated = "duration" in form.columns or "end" in form.columns
        if not dated and service is None:
            raise SourceError.of(
                source.path,
                "has no durations; give a request's tokens per second, as measured: "
                "--prefill-rate 8000 --decode-rate 40",
            )
        rows = RequestRows(source, form, service, with_blocks)
        found = rows.insert()
        if found:
            rows.refuse(unless_skipped=skip_bad)
        bad += found
        modelled |= not dated
        block_tokens = max(block_tokens, form.block_tokens)
    requests, without_life = _made(base)
    return Loaded(requests, without_life, bad, block_tokens, modelled)


def _made(base: "DuckDBPyConnection") -> tuple[int, int]:
    """Make the views requests and trace; count the requests, and those that end at once."""
    # Without this, DuckDB 1.3 shuffles what a query has sorted.
    base.execute("SET preserve_insertion_order = true")
    good = "FROM raw WHERE start IS NOT NULL"
    first = base.execute(f"SELECT min(start) {good}").fetchall()[0][0] or 0
    base.execute(
        f"CREATE VIEW requests AS SELECT (start - {first}) // 1000 AS t0, "
        f"(start - {first} + life + 999) // 1000 AS t1, input, output, blocks {good}"
    )
    base.execute(
        "CREATE VIEW trace AS SELECT t0, t1, input + output AS tokens, input AS prompt "
        "FROM requests"
    )
    requests, without_life = base.execute(
        "SELECT count(*), count(*) FILTER (t1 <= t0) FROM requests"
    ).fetchall()[0]
    return int(requests), int(without_life)


def paths(files: Iterable[str | Path]) -> list[Path]:
    """The files that are named, globs among them.

    Raises:
        SourceError: nothing is found.
        RequestError: none is named.
    """
    found: list[Path] = []
    for file in files:
        text = str(file)
        pattern = Path(text)
        try:
            matches = [pattern] if pattern.exists() else sorted(pattern.parent.glob(pattern.name))
        except (OSError, ValueError) as error:  # a name that no file can have
            raise SourceError.of(text, f"cannot be read ({reason(error)})") from None
        if not matches:
            raise SourceError.of(text, "found nothing, expected a trace")
        found += matches
    _refuse_twice(found)
    if not found:
        raise RequestError.about("files", "found none", found=[], expected="at least one trace")
    return found


def _refuse_twice(paths: Iterable[Path]) -> None:
    read: set[tuple[int, int]] = set()
    for path in paths:
        status = path.stat()
        file = (status.st_dev, status.st_ino)
        if file in read:
            raise RequestError.about(
                "files",
                f"found {quote(str(path), 300)} twice",
                found=str(path),
                expected="each file once",
            )
        read.add(file)
