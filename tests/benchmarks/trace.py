"""Traces of millions of requests, from Parquet: `python tests/benchmarks/trace.py [requests]`.

Arrivals of a Poisson process, contexts spread as on published traces. Exits 1 where the time is
over its limit for as many requests.
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
ROWS = (
    "SELECT (range * 50 + (hash(range) % 49)::BIGINT) AS timestamp, "
    "(1 + exp(random() * 11))::BIGINT AS input_length, (1 + exp(random() * 6))::BIGINT "
    "AS output_length FROM range({count})"
)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10**6
    model = kvcalc.load("k-exaone-236b-a23b")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.parquet"
        duckdb.execute(f"COPY ({ROWS.format(count=count)}) TO '{path}' (FORMAT parquet)")
        start = perf_counter()
        cost = kvcalc.cost(model)
        found = trace(cost, path, prefill_rate=50_000, decode_rate=30)
        one = perf_counter() - start
        start = perf_counter()
        trace(model, path, window=[4096, 128], prefill_rate=50_000, decode_rate=30)
        several = perf_counter() - start
    limit = LIMITS.get(count)
    memory = getrusage(RUSAGE_SELF).ru_maxrss // 1024
    print(f"{count:,} requests, one window, one rule: {one:.2f} s (limit {limit} s)")
    print(f"two windows, two rules: {several:.2f} s, {several / one:.2f} times")
    print(f"{memory:,} MiB of memory, peak {found.rows[0].peak_bytes:,} bytes")
    return int(limit is not None and one > limit)


if __name__ == "__main__":
    raise SystemExit(main())
