"""llama.cpp's lines about the cells of a cache, and their bytes.

Read in llama.cpp of 2026-10-01 (src/llama-kv-cache*.cpp, src/llama-context.cpp). Sizes of memories
are floats of single precision, those of buffers double.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from kvcalc.engines.llama_cpp.log import buffers
from kvcalc.engines.llama_cpp.log.run import FULL, SLIDING, TYPE, Run, single_mib
from kvcalc.engines.llama_cpp.memories import MEMORIES
from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    either,
    figures,
    first_that_agrees,
    number,
    pattern,
)
from kvcalc.units import plural

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
"""Micro-batches that may explain a sliding cache or a graph's buffer."""

SEQUENCES = (1, 2, 3, 4, 8, 16)
"""Numbers of sequences that may explain a sliding cache."""


def _creating(run: Run, line: Found) -> Iterator[Checked]:
    yield from buffers.flush(run)
    words = " ".join(line.values["memory"].split())
    memory = ANNOUNCED[words]
    run.creating = (memory, number(line.values["cells"]))
    label = LABELS.get(memory, f"{MEMORIES[memory]} (cells)")
    printed = Printed(line.line, label, line.values["cells"])
    if memory == SLIDING:
        yield _sliding(run, printed)
    elif run.subject.context is not None and not words.startswith("DSV4"):
        ours = run.full_cells(run.subject.context)
        yield printed.against(
            ours, f"{run.subject.context:,} tokens of {plural(run.sequences, 'sequence')}, padded"
        )


def _sliding(run: Run, printed: Printed) -> Checked:
    if run.subject.model is None:
        return printed.cannot(NO_MODEL)
    if not run.tensors(SLIDING):
        return printed.against(0, "no layer of the model slides")
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

    return printed.against(run.sliding_cells({}, run.sequences), why, explain)


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
    yield from buffers.held(run, memory, streams * cells, types)

    def ours(name: str, changes: Mapping[str, Any]) -> Fraction:
        rows = run.rows(memory, {**types, **changes})
        parts = ("K", "V") if name == "size" else (name.upper(),)
        return single_mib(streams * cells * sum(rows.get(part, 0) for part in parts))

    layers = sum(layers for _, layers in run.tensors(memory, types))
    why = f"{plural(streams, 'stream')} x {cells:,} cells x {layers} {run.words(memory)}"
    for name, each in printed.items():
        of = {"size": f"{type_k} and {type_v}", "k": type_k, "v": type_v}[name]

        def explain(each: Printed, name: str = name) -> str | None:
            return run.release_that(lambda changes: each.agrees_with(ours(name, changes)))

        yield each.against(ours(name, {}), f"{why}, {of}", explain)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "creating": _creating,
    "cache": _cache,
}
"""How each kind of line is checked."""
