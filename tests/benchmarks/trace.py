"""Traces of millions of requests, from Parquet: `python tests/benchmarks/trace.py [requests]`.

Arrivals evenly spread, contexts as wide as on published traces. Exits 1 where the time of one
window is over its limit for as many requests, or a further window takes more than 60 % on top.
Times of a second or so are the least of five.
"""

import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter

import duckdb

import kvcalc
from kvcalc.answers.traces import trace

LIMITS = {10**6: 1.5, 10**7: 12.0, 10**8: 240.0}
FURTHER = 1.6
ROWS = (
    "SELECT (range * 50 + (hash(range) % 49)::BIGINT) AS timestamp, "
    "(1 + exp(random() * 11))::BIGINT AS input_length, (1 + exp(random() * 6))::BIGINT "
    "AS output_length FROM range({count})"
)


def timed(path: Path, windows: list[int]) -> float:
    """Seconds that all figures of an engine take: of ideal, two rules a window."""
    start = perf_counter()
    model = kvcalc.load("k-exaone-236b-a23b")
    trace(model, path, window=windows, prefill_rate=50_000, decode_rate=30)
    return perf_counter() - start


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10**6
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.parquet"
        text = path.with_suffix(".csv")
        duckdb.execute(f"COPY ({ROWS.format(count=count)}) TO '{path}' (FORMAT parquet)")
        duckdb.execute(f"COPY (FROM '{path}') TO '{text}' (HEADER)")
        times = 5 if count == 10**6 else 1
        one, two, from_text = (
            min(timed(file, windows) for _ in range(times))
            for file, windows in ((path, [128]), (path, [4096, 128]), (text, [128]))
        )
    limit = LIMITS.get(count)
    memory = getrusage(RUSAGE_SELF).ru_maxrss // 1024
    print(f"{count:,} requests, one window: {one:.2f} s (limit {limit} s)")
    print(f"two windows: {two:.2f} s, {two / one:.2f} times (limit {FURTHER})")
    print(f"one window, from CSV: {from_text:.2f} s; {memory:,} MiB of memory")
    return int((limit is not None and one > limit) or two / one > FURTHER)


if __name__ == "__main__":
    raise SystemExit(main())
