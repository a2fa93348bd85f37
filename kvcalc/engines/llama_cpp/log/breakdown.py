"""llama.cpp's table of what a context holds on each device, which it prints when it fits and ends.

common/fit.cpp (common_memory_breakdown_print) of 2026-09, and src/llama-context.cpp
(llama_memory_breakdown_print) before it: whole MiB, rounded down.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import groupby
from typing import Any

from kvcalc.engines.llama_cpp.cost import cost
from kvcalc.engines.llama_cpp.log.run import NO_CONTEXT, Run
from kvcalc.engines.log import (
    AGREES,
    COUNT,
    NO_MODEL,
    Checked,
    Found,
    Printed,
    either,
    first_that_agrees,
    number,
    pattern,
)
from kvcalc.units import plural

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

MIB = 2**20
TYPES = {"cache_type_k", "cache_type_v"}

ELEMENTS = ("f16", "q8_0", "q4_0", "q5_1", "q5_0", "q4_1")
SLOTS = 4
"""Types of a cache that may explain a figure, and the slots that llama-server has without -np."""


def check(run: Run) -> Iterator[Checked]:
    """Hold what each table gives to the context, on all devices together."""
    context = _Context(run)
    for kind, lines in groupby(run.found, key=lambda line: line.kind):
        if kind == "breakdown":
            yield from (_table(context, rows) for rows in _tables(lines))


def _tables(lines: Iterable[Found]) -> list[list[Found]]:
    """Part rows by table: a device has one in each."""
    tables: list[list[Found]] = []
    devices: set[str] = set()
    for line in lines:
        if not tables or line.values["device"] in devices:
            tables.append([])
            devices = set()
        tables[-1].append(line)
        devices.add(line.values["device"])
    return tables


class _Context:
    """What the context of a run takes, worked out once for all of its tables.

    `tried_until` is the line up to which --fit tried contexts; `missing` is why none is known.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.tokens = run.total()
        self.tried_until = max((one.line for one in run.found if one.kind == "fitting"), default=0)
        caches = [line for line in run.found if line.kind in ("cache", "self")]
        self.missing = next(filter(None, map(run.missing_for, caches)), None)
        if self.tokens is None:
            self.missing = NO_CONTEXT
        self.logged: dict[str, Any] = {
            f"cache_{name}": line.values[name]
            for line in caches
            for name in ("type_k", "type_v")
            if name in line.values
        }
        if "n_rs_seq" in run.facts:
            self.logged["n_rs_seq"] = number(run.facts["n_rs_seq"])
        self._held: dict[tuple[tuple[tuple[str, Any], ...], int], Fraction] = {}

    def held(self, changes: Mapping[str, Any], sequences: int) -> Fraction:
        """MiB with changes of the settings, of so many sequences.

        Raises:
            KvcalcError: llama.cpp refuses the settings.
        """
        key = tuple(changes.items()), sequences
        if key not in self._held:
            model, tokens = self.run.subject.model, self.tokens
            assert model is not None
            assert tokens is not None
            of = cost(model, self.run.settings({**self.logged, **changes})).formula
            self._held[key] = Fraction(of(tokens // sequences, sequences=sequences), MIB)
        return self._held[key]


def _table(context: _Context, rows: Sequence[Found]) -> Checked:
    run = context.run
    least = sum(number(row.values["context"]) for row in rows)
    printed = Printed(rows[-1].line, "context of all devices (MiB)", str(least))
    if run.subject.model is None:
        return printed.cannot(NO_MODEL)
    if rows[-1].line < context.tried_until:
        return printed.cannot(TRIED)
    if context.missing is not None:
        return printed.cannot(context.missing)

    def rounded(changes: Mapping[str, Any], sequences: int) -> Fraction:
        """Ours, or as printed where each device's share may have been rounded down to that."""
        size = context.held(changes, sequences)
        return printed.value if least <= size < least + len(rows) else size

    ours = context.held({}, run.sequences)
    of_all = plural(run.sequences, "sequence")
    why = f"{context.tokens:,} tokens of {of_all}, each device's rounded down"
    if printed.agrees_with(rounded({}, run.sequences)):
        return printed.row(ours, AGREES, why)
    typed = (context.logged.keys() | run.own_settings.keys()) & TYPES
    causes = run.causes({"kv_cache_dtype": () if typed else ELEMENTS, "sequences": (SLOTS,)})

    def candidate(changes: Mapping[str, Any]) -> tuple[str, Callable[[], Fraction]]:
        of, count = changes.get("kv_cache_dtype"), changes.get("sequences", run.sequences)
        return _words(of, count), partial(rounded, _settings(of, count), count)

    def explain(printed: Printed) -> str | None:
        return either(first_that_agrees(printed, map(candidate, changes)) for changes in causes)

    return printed.against(ours, why, explain)


def _settings(of: str | None, count: int) -> Mapping[str, Any]:
    types = {} if of is None else {"kv_cache_dtype": of}
    return {**types, "kv_unified": True} if count > 1 else types


def _words(of: str | None, count: int) -> str:
    slots = f"{count} sequences in one buffer (kv_unified)" if count > 1 else ""
    return " and ".join(filter(None, (of and f"kv_cache_dtype={of}", slots)))
