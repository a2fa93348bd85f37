"""`fit` against `sweep`, and a grid: `python tests/benchmarks/fit.py [runs] [models]`.

Whole processes, pairwise and in turns; the ratio is of the two medians. The grid is 10 models by
3 GPUs for each of them by 10 contexts by 4 counts, within this process. Exits 1 where a limit is
passed.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from kvcalc.answers.fit import solve
from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import question
from kvcalc.catalogue.gpus import names
from kvcalc.catalogue.models import names as presets
from kvcalc.readers import load

KVCALC = str(Path(sys.executable).with_name("kvcalc"))
SWEEP = [KVCALC, "sweep", "k-exaone-236b-a23b", "-f", "json"]
FIT = [KVCALC, "fit", "k-exaone-236b-a23b", "--gpu", "h200", "--gpus", "4", "-c", "256K", "--json"]
MOST_OF_SWEEP = 1.15
MOST_SECONDS = 5.0


def seconds(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ)
    return perf_counter() - start


def grid(engine: str, number: int) -> tuple[int, float]:
    """Rows of the grid of so many models, and the seconds they took."""
    models = [load(name) for name in presets() if load(name).parameters][:number]
    start = perf_counter()
    rows = 0
    for model in models:
        for gpu in names()[: 3 * number]:
            placing = Placing(question(model, on=card(gpu), engine=engine, reserve=0))
            for thousands in range(8, 88, 8):
                for gpus in (1, 2, 4, 8):
                    solve(placing, gpus=gpus, context=1024 * thousands)
                    rows += 1
    return rows, perf_counter() - start


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    models = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    times = [(seconds(FIT), seconds(SWEEP)) for _ in range(1 + runs)]
    times = times[1:] or times
    own, other = median(a for a, _ in times), median(b for _, b in times)
    times_of = f"fit {own * 1e3:.1f} ms, sweep {other * 1e3:.1f} ms"
    print(f"{times_of}: {own / other:.3f}, limit {MOST_OF_SWEEP}")
    within = own <= MOST_OF_SWEEP * other
    for engine in ("ideal", "vllm", "sglang", "llama.cpp"):
        rows, took = grid(engine, models)
        limit = f", limit {MOST_SECONDS:.0f} s" if engine == "ideal" else ""
        print(f"{rows:,} rows on {engine}: {took:.2f} s{limit}")
        within &= took < MOST_SECONDS or engine != "ideal"
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
