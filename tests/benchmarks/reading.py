"""How long reading takes: `python tests/benchmarks/reading.py`."""

import time
from pathlib import Path

from kvcalc.readers.huggingface import read

CONFIGS = sorted((Path(__file__).parents[1] / "oracles" / "configs").glob("*.json"))
LIMIT_MS = 2.0
LIMIT_PER_SECOND = 500


def main() -> None:
    for path in CONFIGS:
        read(path)
    slowest = max(_milliseconds(path) for path in CONFIGS)
    print(f"the slowest config.json  {slowest:.2f} ms, limit {LIMIT_MS} ms")
    start = time.perf_counter()
    for _ in range(40):
        for path in CONFIGS:
            read(path)
    rate = 40 * len(CONFIGS) / (time.perf_counter() - start)
    print(f"configs a second         {rate:,.0f}, limit {LIMIT_PER_SECOND}")


def _milliseconds(path: Path) -> float:
    start = time.perf_counter()
    for _ in range(20):
        read(path)
    return (time.perf_counter() - start) / 20 * 1000


if __name__ == "__main__":
    main()
