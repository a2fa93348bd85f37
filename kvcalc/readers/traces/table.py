"""Files of traces into one table of requests in DuckDB: whole microseconds from the first start.

requests(t0, t1, input, output, blocks): a start rounded down, an end rounded up, counts of tokens.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kvcalc.errors import KvcalcError, shown
from kvcalc.readers.traces.formats import UNITS_US, recognised
from kvcalc.readers.traces.rows import Rows
from kvcalc.readers.traces.service import Service
from kvcalc.readers.traces.source import Source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
    with_blocks: bool = True,
) -> Loaded:
    """Read files into the tables requests and trace.

    Raises:
        KvcalcError: no such file, one that is no trace, a row that is none (its line is named), or
            a trace without durations where no service model is given.
    """
    if time_unit is not None and time_unit not in UNITS_US:
        raise KvcalcError(f"time_unit: found {shown(time_unit)}, expected {', '.join(UNITS_US)}")
    base.execute(
        "CREATE TABLE requests(t0 BIGINT, t1 BIGINT, input INTEGER, output INTEGER, "
        f"blocks {'BIGINT[]' if with_blocks else 'INTEGER'})"
    )
    sources = []
    for path in _paths(files):
        source = Source(base, path)
        form = recognised(list(source.types), columns or {}, time_unit, source.name)
        if "duration" not in form.columns and "end" not in form.columns and service is None:
            raise KvcalcError(
                f"{source.name}: has no durations; give --prefill-rate and --decode-rate, in "
                "tokens a second"
            )
        sources.append((source, Rows(source, form, service, with_blocks)))
    starts = [start for _, rows in sources if (start := rows.first_start()) is not None]
    bad = sum(rows.insert(min(starts, default=0), skip_bad) for _, rows in sources)
    base.execute(
        "CREATE VIEW trace AS SELECT t0, t1, input + output AS tokens, input AS prompt "
        "FROM requests"
    )
    requests, without_life = base.execute(
        "SELECT count(*), count(*) FILTER (t1 <= t0) FROM requests"
    ).fetchall()[0]
    block_tokens = max((rows.form.block_tokens for _, rows in sources), default=0)
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
