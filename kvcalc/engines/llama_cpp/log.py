"""llama.cpp's start-up lines: cells, and the bytes of its memories; Ollama's and old ones too.

Read in llama.cpp of 2026-10-01 (src/llama-kv-cache*.cpp, src/llama-memory-recurrent.cpp,
src/llama-context.cpp). Sizes of memories are floats of single precision, those of buffers double.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

from kvcalc.engines.llama_cpp import (
    log_breakdown,
    log_buffers,
    log_contexts,
    log_failed,
    log_graph,
    log_heads,
    log_loaded,
    log_old,
    log_ollama,
    log_states,
)
from kvcalc.engines.llama_cpp.log_run import FULL, SLIDING, TYPE, Run, single_mib
from kvcalc.engines.llama_cpp.memories import MEMORIES
from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    EngineLog,
    Found,
    Printed,
    Subject,
    either,
    figures,
    first_that_agrees,
    number,
    or_why,
    pattern,
    ruled,
)

CONTEXTS = ("llama_context:", "llama_init_from_model:", "llama_new_context_with_model:")
"""What the lines about a context begin with, the oldest version's last."""

FACTS = {
    "n_seq_max": COUNT,
    "n_ubatch": COUNT,
    "n_rs_seq": COUNT,
    "kv_unified": "true|false",
    "flash_attn": "[a-z0-9]{1,8}",
}
"""What they say of it, by name."""

PATTERNS = (
    pattern(
        "build",
        "build",
        r"build(?::| =|_info: b)? (?P<version>[0-9]{1,6})(?:, commit | \(|-)[0-9a-f]{6,40}",
    ),
    pattern(
        "creating",
        "KV cache, size =",
        r"creating (?P<memory>non-SWA|SWA|main|indexer|DSV4 CSA compressed|DSV4 HCA compressed"
        rf"|DSV4 lightning-indexer) KV cache, size = (?P<cells>{COUNT}) cells",
    ),
    pattern(
        "cache",
        " cells,",
        rf"(?<!recurrent:\s)size = (?P<size>{SIZE}) MiB \( (?P<cells>{COUNT}) cells,"
        rf"(?!.{{0,80}}(?:rs_seq|R \())(?: (?P<layers>{COUNT}) layers"
        rf"(?:, (?P<sequences>{COUNT})/ (?P<streams>{COUNT}) seqs)? \))?"
        rf"(?:, K \((?P<type_k>{TYPE})\): (?P<k>{SIZE}) MiB"
        rf"(?:, V \((?P<type_v>{TYPE})\): (?P<v>{SIZE}) MiB)?)?",
    ),
    pattern("n_ctx", "n_ctx", rf"(?<![A-Za-z_])n_ctx = (?P<value>{COUNT})"),
    pattern("slots", "n_slots", rf"initializing(?: slots)?, n_slots = (?P<slots>{COUNT})"),
    *(
        pattern(name, context, rf"(?<![A-Za-z_]){name} = (?P<value>{value})")
        for context in CONTEXTS
        for name, value in FACTS.items()
    ),
    pattern("swa_full", "using full-size SWA cache", r"using (?P<value>full-size) SWA cache"),
)

ANNOUNCED = {
    "non-SWA": FULL,
    "main": FULL,
    "SWA": SLIDING,
    "indexer": "indexer",
    "DSV4 CSA compressed": "csa",
    "DSV4 HCA compressed": "hca",
    "DSV4 lightning-indexer": "indexer",
}
"""The memory that each line about a cache to come speaks of."""

LABELS = {FULL: "full layers' cache (cells)", SLIDING: "sliding layers' cache (cells)"}

UBATCHES = (512, 2048, 128, 256, 1024, 4096)
SEQUENCES = (1, 2, 3, 4, 8, 16)
"""Micro-batches and sequences that may explain a sliding cache."""


def check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """Hold each figure against what llama.cpp's rules give for the model."""
    for context in log_contexts.contexts(found):
        yield from log_contexts.CHECKS[context.kind](_of_either, context.lines, subject)


def _of_either(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """The figures of one context, whose file may have whole heads."""
    yield from log_heads.check(_check, found, subject)


def _check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """The figures of one context."""
    run, without_model = Run(subject, found), Run(replace(subject, model=None), found)
    yield from ruled(found, RULES, run, without_model, subject.given)
    without_model.buffered = run.buffered
    for of_all in (log_buffers.flush, log_loaded.check, log_graph.check, log_breakdown.check):
        yield from or_why(of_all, run, without_model, subject.given)


def _creating(run: Run, line: Found) -> Iterator[Checked]:
    yield from log_buffers.flush(run)
    words = " ".join(line.values["memory"].split())
    memory = ANNOUNCED[words]
    run.creating = (memory, number(line.values["cells"]))
    label = LABELS.get(memory, f"{MEMORIES[memory]} (cells)")
    printed = Printed(line.line, label, line.values["cells"])
    if memory == SLIDING:
        yield _sliding(run, printed)
    elif run.subject.context is not None and not words.startswith("DSV4"):
        ours = run.full_cells(run.subject.context)
        yield printed.held(
            ours, f"{run.subject.context:,} tokens of {run.sequences} sequences, padded"
        )


def _sliding(run: Run, printed: Printed) -> Checked:
    if run.subject.model is None:
        return printed.cannot(NO_MODEL)
    if not run.tensors(SLIDING):
        return printed.held(0, "no layer of the model slides")
    settings = run.settings({})
    shared = f" x {run.sequences} sequences" if settings.own("kv_unified") else ""
    why = f"window {run.window:,}{shared} + ubatch_size {settings.ubatch_size:,}, padded to 256"
    if settings.windows == "none":
        why = "all cells (swa_full)"

    def explain(printed: Printed) -> str | None:
        of_release = run.release_that(
            lambda changes: printed.agrees_with(run.sliding_cells(changes, run.sequences))
        )
        causes = run.causes({"sequences": SEQUENCES, "ubatch_size": UBATCHES})
        return of_release or either(
            first_that_agrees(printed, map(candidate, changes)) for changes in causes
        )

    def candidate(changes: Mapping[str, Any]) -> tuple[str, Callable[[], int]]:
        count = changes.get("sequences", run.sequences)
        tokens = changes.get("ubatch_size", settings.ubatch_size)
        cells = partial(run.sliding_cells, _settings(tokens, count), count)
        return _change(tokens, count), cells

    return printed.held(run.sliding_cells({}, run.sequences), why, explain)


def _settings(ubatch: int, sequences: int) -> Mapping[str, int | bool]:
    return {"ubatch_size": ubatch, "kv_unified": sequences > 1}


def _change(ubatch: int, sequences: int) -> str:
    shared = f" and {sequences} sequences in one buffer (kv_unified)" if sequences > 1 else ""
    return f"ubatch_size={ubatch}{shared}"


def _cache(run: Run, line: Found) -> Iterator[Checked]:
    """A cache's size, its K and its V: cells of all its streams times the rows of its layers."""
    values, cells = line.values, number(line.values["cells"])
    printed = figures(line, {"size": "cache size (MiB)", "k": "K (MiB)", "v": "V (MiB)"})
    if (missing := run.missing_for(line)) is not None:
        run.buffered = []
        yield from (each.cannot(missing) for each in printed.values())
        return
    memory = run.memory_of(cells, number(values["layers"]) if "layers" in values else None)
    if memory == SLIDING and run.tensors(FULL) and run.creating != (memory, cells):
        label = LABELS[SLIDING]
        yield _sliding(run, Printed(line.line, label, values["cells"]))
    streams = number(values.get("streams", "1"))
    type_k, type_v = run.type_of(line, "type_k"), run.type_of(line, "type_v")
    if (
        "type_v" not in values
        and "k" in values
        and 2 * Fraction(values["k"]) == Fraction(values["size"])
    ):
        type_v = type_k
    types = {"cache_type_k": type_k, "cache_type_v": type_v}
    yield from log_buffers.held(run, memory, streams * cells, types)

    def ours(name: str, changes: Mapping[str, Any]) -> Fraction:
        rows = run.rows(memory, {**types, **changes})
        parts = ("K", "V") if name == "size" else (name.upper(),)
        return single_mib(streams * cells * sum(rows.get(part, 0) for part in parts))

    layers = sum(layers for _, layers in run.tensors(memory, types))
    why = f"{streams} streams x {cells} cells x {layers} {run.words(memory)}"
    for name, each in printed.items():
        of = {"size": f"{type_k} and {type_v}", "k": type_k, "v": type_v}[name]

        def explain(each: Printed, name: str = name) -> str | None:
            return run.release_that(lambda changes: each.agrees_with(ours(name, changes)))

        yield each.held(ours(name, {}), f"{why}, {of}", explain)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "creating": _creating,
    "cache": _cache,
    **log_states.RULES,
    **log_buffers.RULES,
    **log_failed.RULES,
    **log_old.RULES,
    **log_ollama.RULES,
}
"""How each kind of line is checked."""


def build(number: str) -> str | None:
    """The release of a build's number; None for a build out of a history without its commits."""
    return f"b{number}" if int(number) > 1 else None


LOG = EngineLog(
    patterns=(
        *log_ollama.PATTERNS,
        *PATTERNS,
        *log_states.PATTERNS,
        *log_contexts.PATTERNS,
        *log_buffers.PATTERNS,
        *log_loaded.PATTERNS,
        *log_graph.PATTERNS,
        *log_failed.PATTERNS,
        *log_old.PATTERNS,
        *log_breakdown.PATTERNS,
    ),
    check=check,
    spellings={
        "cache_type": "kv_cache_dtype",
        "kv_dtype": "kv_cache_dtype",
        "ubatch": "ubatch_size",
        "n_ubatch": "ubatch_size",
        "batch": "batch_size",
        "ctx": "n_ctx",
        "ctx_size": "n_ctx",
        "parallel": "sequences",
        "n_parallel": "sequences",
        "n_seq_max": "sequences",
    },
    beside=frozenset({"n_ctx"}),
    values={"release": build},
    hint="llama-server prints its caches from -lv 4 on",
)
