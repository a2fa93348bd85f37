"""How long reading a config.json takes: `python tests/benchmarks/reading.py [times]`."""

import sys
import time
from pathlib import Path

from kvcalc.readers.huggingface import read

CONFIGS = sorted((Path(__file__).parents[1] / "oracles" / "configs").glob("*.json"))
LIMIT_MS = 2.0
LIMIT_PER_SECOND = 500


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for path in CONFIGS:
        read(path)
    slowest = max(_milliseconds(path, times) for path in CONFIGS)
    print(f"the slowest config.json  {slowest:.2f} ms, limit {LIMIT_MS} ms")
    start = time.perf_counter()
    for _ in range(2 * times):
        for path in CONFIGS:
            read(path)
    rate = 2 * times * len(CONFIGS) / (time.perf_counter() - start)
    print(f"configs a second         {rate:,.0f}, limit {LIMIT_PER_SECOND}")


def _milliseconds(path: Path, times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        read(path)
    return (time.perf_counter() - start) / times * 1000


if __name__ == "__main__":
    main()
