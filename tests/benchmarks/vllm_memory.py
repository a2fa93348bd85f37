"""vLLM's pool against 100 public start-ups: `python -m tests.benchmarks.vllm_memory`.

By version, GPU and family: how many start-ups there are and how many are declined; of the others
the error of the pool with nothing taken from the log (weights by their rule where it is known), how
many lie outside of the printed band, and of the sequences of the log's context how many starts are
promised too many, and two or more too few. Exits 1 where one lies outside or is promised too many.
"""

import sys
import warnings
from collections.abc import Iterator
from statistics import mean
from typing import NamedTuple

import kvcalc
from kvcalc.engines.vllm.budget import parts
from kvcalc.engines.vllm.weights import weigh
from kvcalc.errors import KvcalcError
from tests.engines.vllm.memory_rows import (
    GIB,
    ROWS,
    SIZED,
    Row,
    card_of,
    family_of,
    gpu_of,
    model_of,
    settings_of,
    stage_of,
)

ROUNDED = "rounding of weights"


class Held(NamedTuple):
    """One start-up against ours: GiB of its pool and of ours, and sequences of its context."""

    row: Row
    real: float
    likely: float
    promised: float
    most: float
    sequences: int | None
    promised_sequences: int | None


Against = tuple[Row, Held | None]


def held(row: Row) -> Held | None:
    """Work a start-up out; None where it is declined, or too little of it was printed."""
    if row["model"] not in SIZED or row["available_gib"] is None:
        return None
    model, settings, stage = model_of(row), settings_of(row), stage_of(row)
    try:
        found = parts(model, settings, card_of(row))[stage]
    except KvcalcError:
        return None
    own = weights_of(row)
    weights = row["weights_gib"] if own is None else own
    beside = [part for part in found if own is not None or part.name != ROUNDED]
    likely, low, high = (
        row["requested_gib"] - weights - sum(getattr(part, field) for part in beside) / GIB
        for field in ("bytes", "high", "low")
    )
    real = None
    promised = None
    if row["kv_tokens"] is not None and row["max_model_len"] is not None and row["pp"] == 1:
        real = row["kv_tokens"] // row["max_model_len"]
        context = row["max_model_len"]
        pool = kvcalc.pool(model, "vllm", memory=int(low * GIB), context=context, settings=settings)
        promised = pool.max_sequences
    return Held(row, row["available_gib"], likely, low, high, real, promised)


def weights_of(row: Row) -> float | None:
    """GiB of weights by their rule; None where none is known of their format."""
    try:
        loaded = weigh(model_of(row), settings_of(row))
    except KvcalcError:
        return None
    return None if loaded is None else sum(loaded.stages[stage_of(row)].values()) / GIB


def counted(name: str, rows: list[Against]) -> tuple[str, int, int]:
    """One line of the table, and how many lie outside and are promised too many."""
    found = [one for _, one in rows if one is not None]
    errors = [(one.likely - one.real) / one.real * 100 for one in found]
    outside = sum(not one.promised - 0.011 <= one.real <= one.most + 0.011 for one in found)
    told = [
        (one.promised_sequences, one.sequences)
        for one in found
        if one.promised_sequences is not None and one.sequences is not None
    ]
    over = sum(ours > theirs for ours, theirs in told)
    under = sum(ours < theirs - 1 for ours, theirs in told)
    figures = ""
    if errors:
        figures = f"{mean(map(abs, errors)):8.2f} {max(errors, key=abs):+8.2f}"
    line = f"{name:28} {len(rows):5} {len(rows) - len(found):9} {figures:17} {outside:8}"
    return f"{line} {over:5} {under:6} of {len(told)}", outside, over


def groups(rows: list[Against]) -> Iterator[tuple[str, list[Against]]]:
    """The rows by each property, the largest first."""
    for keyed in (
        lambda row: f"vllm {row['engine_version']}",
        gpu_of,
        lambda row: family_of(row) or "model not known",
        lambda row: row["quantization"] or "not quantised",
    ):
        names = dict.fromkeys(keyed(row) for row, _ in rows)
        yield from ((name, [one for one in rows if keyed(one[0]) == name]) for name in names)


def main() -> int:
    """Print the table."""
    warnings.simplefilter("ignore")
    heads = f"{'rows':>5} {'declined':>9} {'mean %':>8} {'worst %':>8} {'outside':>8}"
    print(f"{'':28} {heads}  over  under")
    every = [(row, held(row)) for row in ROWS]
    for name, rows in groups(every):
        print(counted(name, rows)[0])
    line, outside, over = counted("all", every)
    print(line)
    return 1 if outside or over else 0


if __name__ == "__main__":
    sys.exit(main())
