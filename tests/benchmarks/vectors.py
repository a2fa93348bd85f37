"""Millions of contexts: `python tests/benchmarks/vectors.py [runs] [contexts]`.

Against formulas by hand: NumPy with kvcalc's guard and sequences included, a Polars expression,
and DuckDB's own text. A ratio is of two medians, taken in turns; exits 1 where one is over its
limit.
"""

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import duckdb
import numpy
import polars

import kvcalc
from kvcalc.formula.written import written

COUNT = 10**7
COST = kvcalc.cost(kvcalc.load("k-exaone-236b-a23b"), "vllm")
SQL = written(COST.formula, "sql").text


def numpy_by_hand(context: Any, sequences: Any) -> Any:
    sliding = -(-numpy.minimum(16_511, context) // 16) + 1
    return (sliding * 3 + -(-context // 16)) * 786_432 * sequences


def polars_by_hand() -> polars.Expr:
    context, sequences = polars.col("context"), polars.col("sequences")
    sliding = (polars.min_horizontal(16_511, context) + 15) // 16 + 1
    return (sliding * 3 + (context + 15) // 16) * 786_432 * sequences


SQL_BY_HAND = (
    "(((LEAST(16511, context) + 15) // 16 + 1) * 3 + (context + 15) // 16) * 786432 * sequences"
)


def seconds(work: Callable[[], Any]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    count = int(sys.argv[2]) if len(sys.argv) > 2 else COUNT
    random = numpy.random.default_rng(1)
    contexts, sequences = random.integers(1, 262_144, count), random.integers(1, 64, count)
    columns = {"context": contexts, "sequences": sequences}
    frame = polars.DataFrame(columns)
    base = duckdb.connect()
    base.execute("SET threads = 2")
    base.execute("CREATE TABLE plan AS SELECT * FROM columns")
    expression = COST.expr(sequences="sequences")

    def query(text: str) -> Callable[[], Any]:
        return lambda: base.execute(f"SELECT sum({text}) FROM plan").fetchall()

    cases: dict[str, tuple[Callable[[], Any], Callable[[], Any], float]] = {
        "NumPy": (
            lambda: COST(contexts, sequences=sequences),
            lambda: numpy_by_hand(contexts, sequences),
            1.35,
        ),
        "Polars": (
            lambda: frame.select(expression),
            lambda: frame.select(polars_by_hand()),
            1.2,
        ),
        "DuckDB": (query(SQL), query(SQL_BY_HAND), 1.1),
    }
    over = False
    print(f"{count:,} contexts     kvcalc   by hand  ratio  limit   medians of {runs}")
    for name, (own, other, limit) in cases.items():
        own(), other()
        times = [(seconds(own), seconds(other)) for _ in range(runs)]
        mine, theirs = median(one for one, _ in times), median(two for _, two in times)
        over |= mine / theirs > limit
        print(f"{name:<20} {mine:8.3f} {theirs:9.3f} {mine / theirs:6.2f} {limit:6.2f}")
    return over


if __name__ == "__main__":
    raise SystemExit(main())
