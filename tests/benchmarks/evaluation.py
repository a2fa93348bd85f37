"""Evaluation against a lambda written by hand: `python tests/benchmarks/evaluation.py [rounds]`.

Pairwise, in turns; a ratio is of the two medians. Exits 1 where a ratio is over its limit.
"""

import sys
from statistics import median
from timeit import Timer
from typing import Any

import kvcalc
from kvcalc.formula.target import PYTHON, render

CALLS = 100_000


def nanoseconds(call: Any, statement: str) -> float:
    return Timer(statement, globals={"f": call}).timeit(CALLS) / CALLS * 1e9


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    cost = kvcalc.cost(kvcalc.load("k-exaone-236b-a23b"))
    by_hand: Any = lambda context, sequences=1, window=128: (  # noqa: E731
        (12 * context + 36 * min(context, window)) * 4096 * sequences
    )
    compiled = eval(
        f"lambda context, sequences=1, window=128: {render(cost.formula.expression, PYTHON)}"
    )
    assert compiled(262_144) == by_hand(262_144) == cost(context=262_144)
    cases: dict[str, tuple[Any, str, float]] = {
        "the compiled formula": (compiled, "f(262144)", 1.2),
        "cost(context=n)": (cost, "f(context=262144)", 5.0),
    }
    within = True
    print(f"{'':22} {'kvcalc':>9} {'by hand':>9} {'ratio':>6} {'limit':>6}   medians of {rounds}")
    for name, (call, statement, limit) in cases.items():
        times = [
            (nanoseconds(call, statement), nanoseconds(by_hand, "f(262144)")) for _ in range(rounds)
        ]
        own, other = (median(column) for column in zip(*times, strict=True))
        ratio = own / other
        within &= ratio <= limit
        verdict = "" if ratio <= limit else "  over"
        print(f"{name:22} {own:6.0f} ns {other:6.0f} ns {ratio:6.3f} {limit:6.2f}{verdict}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
