"""llama.cpp's table of what a context holds on each device, which it prints when it fits and ends.

common/fit.cpp (common_memory_breakdown_print) of 2026-09, and src/llama-context.cpp
(llama_memory_breakdown_print) before it: whole MiB, rounded down.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import groupby, product
from typing import Any

from kvcalc.engines.llama_cpp.cost import cost
from kvcalc.engines.llama_cpp.log_run import Run
from kvcalc.engines.log import (
    AGREES,
    COUNT,
    NO_MODEL,
    Checked,
    Found,
    Printed,
    first_that_agrees,
    number,
    pattern,
)

PATTERNS = (
    pattern("table", "memory breakdown", r"memory breakdown \[MiB\]"),
    pattern(
        "breakdown",
        "memory_breakdown_print",
        rf"- (?P<device>[^|]{{1,120}}?) \|.{{0,80}}?= {COUNT} \+ (?P<context>{COUNT}) \+ {COUNT}",
    ),
    pattern("fitting", "fit", r"params_fit(?:_impl)?:|fit_params:"),
    pattern("n_ctx", "context size reduced", rf"reduced from {COUNT} to (?P<value>{COUNT})"),
)

TRIED = "of a context that --fit tried, before it chose one"
NO_CONTEXT = "the context (n_ctx) is missing: give --set context=N"

MIB = 2**20
TYPES = {"cache_type_k", "cache_type_v"}

QUANTISED = ("q8_0", "q4_0", "q5_1", "q5_0", "q4_1")
SLOTS = 4
"""Types of a cache that may explain a figure, and the slots that llama-server has without -np."""


def check(run: Run) -> Iterator[Checked]:
    """Hold what each table gives to the context, on all devices together."""
    for kind, lines in groupby(run.found, key=lambda line: line.kind):
        if kind == "breakdown":
            for rows in _tables(lines):
                yield _table(run, rows, run.found[run.found.index(rows[-1]) :])


def _tables(lines: Iterable[Found]) -> list[list[Found]]:
    """Part rows by table: a device has one in each."""
    tables: list[list[Found]] = [[]]
    for line in lines:
        if any(row.values["device"] == line.values["device"] for row in tables[-1]):
            tables.append([])
        tables[-1].append(line)
    return tables


def _table(run: Run, rows: Sequence[Found], after: Sequence[Found]) -> Checked:
    least = sum(number(row.values["context"]) for row in rows)
    printed = Printed(rows[-1].line, "context of all devices (MiB)", str(least))
    model, tokens = run.subject.model, run.total()
    if model is None:
        return printed.cannot(NO_MODEL)
    if any(line.kind == "fitting" for line in after):
        return printed.cannot(TRIED)
    if tokens is None:
        return printed.cannot(NO_CONTEXT)
    caches = [line for line in run.found if line.kind in ("cache", "self")]
    if (missing := next(filter(None, map(run.missing_for, caches)), None)) is not None:
        return printed.cannot(missing)
    logged: dict[str, Any] = {
        f"cache_{name}": line.values[name]
        for line in caches
        for name in ("type_k", "type_v")
        if name in line.values
    }
    if "n_rs_seq" in run.facts:
        logged["n_rs_seq"] = number(run.facts["n_rs_seq"])

    def ours(changes: Mapping[str, Any], sequences: int = run.sequences) -> Fraction:
        held = cost(model, run.settings({**logged, **changes})).formula
        return Fraction(held(tokens // sequences, sequences=sequences), MIB)

    def rounded(changes: Mapping[str, Any], sequences: int) -> Fraction:
        """Ours, or as printed where each device's share may have been rounded down to that."""
        size = ours(changes, sequences)
        return printed.value if least <= size < least + len(rows) else size

    why = f"{tokens:,} tokens of {run.sequences} sequences, each device's rounded down"
    if printed.agrees_with(rounded({}, run.sequences)):
        return printed.row(ours({}), AGREES, why)
    typed = logged.keys() & TYPES or run.own_settings.keys() & {*TYPES, "kv_cache_dtype"}
    types = [None, *([] if typed else QUANTISED)]
    counts, _ = run.open_amounts((run.sequences, SLOTS), ())
    return printed.held(
        ours({}),
        why,
        lambda printed: first_that_agrees(
            printed,
            (
                (_words(of, count), partial(rounded, _settings(of, count), count))
                for of, count in product(types, counts)
            ),
        ),
    )


def _settings(of: str | None, count: int) -> Mapping[str, Any]:
    types = {} if of is None else {"kv_cache_dtype": of}
    return {**types, "kv_unified": True} if count > 1 else types


def _words(of: str | None, count: int) -> str:
    slots = f"{count} sequences in one buffer (kv_unified)" if count > 1 else ""
    return " and ".join(filter(None, (of and f"kv_cache_dtype={of}", slots)))
