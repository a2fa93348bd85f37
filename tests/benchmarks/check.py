"""Speed and memory of reading a log: `python tests/benchmarks/check.py [MiB]`.

The log is what a serving engine writes: its start-up lines, then requests and statistics. Exits 1
below 100 MB/s or above 200 MiB.
"""

import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from kvcalc.answers.check import read

START_UP = b"""\
INFO 11-06 12:08:54 [gpu_worker.py:349] Available KV cache memory: 46.80 GiB
INFO 11-06 12:08:55 [kv_cache_utils.py:1229] GPU KV cache size: 715,072 tokens
"""
SERVING = b"""\
INFO 11-06 12:09:54 [loggers.py:127] Engine 000: Avg prompt throughput: 123.4 tokens/s, \
Avg generation throughput: 456.7 tokens/s, Running: 12 reqs, Waiting: 0 reqs, \
GPU KV cache usage: 12.3%, Prefix cache hit rate: 45.6%
INFO:     127.0.0.1:43210 - "POST /v1/chat/completions HTTP/1.1" 200 OK
"""
LEAST_MB_A_SECOND = 100
MOST_MIB = 200


def main() -> int:
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else 1024) * 2**20
    with TemporaryDirectory() as folder:
        path = Path(folder) / "server.log"
        piece = SERVING * (2**20 // len(SERVING))
        with path.open("wb") as file:
            file.write(START_UP)
            for _ in range(size // len(piece)):
                file.write(piece)
        start = perf_counter()
        with path.open("rb") as stream:
            found = read(stream, str(path))
        took = perf_counter() - start
        speed = path.stat().st_size / took / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(found)} lines, {speed:.0f} MB/s, limit {LEAST_MB_A_SECOND}")
    print(f"peak {peak:.0f} MiB, limit {MOST_MIB}")
    return 0 if speed >= LEAST_MB_A_SECOND and peak <= MOST_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
