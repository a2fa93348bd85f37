"""What the requests of a loaded trace hold at once, summed by the SQL statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvcalc.answers.traces.levels import Trim
from kvcalc.answers.traces.request_bytes import RequestBytes
from kvcalc.answers.traces.statement import peak, statement
from kvcalc.errors import RequestError, first_line, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


FEW = 20_000
"""Requests up to which DuckDB keeps and weighs all levels in less time than it plans not to."""


@dataclass(frozen=True)
class Sums:
    """The sums over a trace's requests, within a trim; with `prefix`, shared blocks count once."""

    base: "DuckDBPyConnection"
    prefix: bool
    trim: Trim
    requests: int

    def of(self, sizes: Sequence[RequestBytes]) -> list[tuple[int, ...]]:
        """Sum each size: the peak, its time, the sequences then, p50, p95, p99 and the mean.

        All are 0 if no request lives.

        Raises:
            RequestError: bytes pass 2^63, or DuckDB cannot sum them.
        """
        found = self._summed(statement(sizes, **self._asked))
        return [tuple(amount or 0 for amount in row[1:]) for row in sorted(found)]

    def peak(self, size: RequestBytes) -> int:
        """The peak of one size, as `of` sums it, in a third of its time.

        Raises:
            RequestError: as `of`.
        """
        found = self._summed(peak(size, **self._asked))
        return found[0][0] or 0

    def longest(self, of: str = "tokens") -> int:
        """The tokens, or prompt tokens, of the longest request that lives."""
        found = self.base.execute(f"SELECT max({of}) FROM trace WHERE t1 > t0").fetchall()
        return found[0][0] or 0

    @property
    def _asked(self) -> dict[str, Any]:
        return {"shared": self.prefix, "trim": self.trim, "few": self.requests <= FEW}

    def _summed(self, query: str) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return self.base.execute(query).fetchall()
        except (duckdb.OutOfRangeException, duckdb.ConversionException):
            raise RequestError.about(
                "trace", "found 2^63 bytes or more at once", expected="less"
            ) from None
        except duckdb.Error as error:
            raise RequestError.about(
                "trace", f"cannot be summed ({quote(first_line(error), 200)})"
            ) from None
