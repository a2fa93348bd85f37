"""llama.cpp's lines about states: recurrent layers', and those of DeepSeek V4's compressors.

src/llama-memory-recurrent.cpp and src/llama-kv-cache-dsv4.cpp of 2026-10-01. Where no word before a
size says that it is of states, what stands behind its cells does.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from kvcalc.engines.llama_cpp.log import buffers
from kvcalc.engines.llama_cpp.log.run import COMPRESSORS, TYPE, Run, single_mib
from kvcalc.engines.llama_cpp.memories import MEMORIES
from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    figures,
    number,
    pattern,
)

PATTERNS = (
    pattern(
        "states",
        " cells,",
        r"(?:(?<=recurrent:\s)size|size(?=.{0,160}?(?:rs_seq|, R \()))"
        rf" = (?P<size>{SIZE}) MiB \( (?P<cells>{COUNT}) cells,(?: (?P<layers>{COUNT}) layers"
        rf"(?:, (?P<sequences>{COUNT}) seqs(?: (?P<rollback>{COUNT}) rs_seq)? \)"
        rf"(?:, R \({TYPE}\): (?P<r>{SIZE}) MiB, S \({TYPE}\): (?P<s>{SIZE}) MiB)?)?)?",
    ),
    pattern(
        "compressor",
        "dsv4_comp_state",
        rf"(?P<memory>csa|hca|lid) ratio = {COUNT}, state = {COUNT} x {COUNT}, "
        rf"streams = (?P<streams>{COUNT}), rs_seq = (?P<rollback>{COUNT}), layers = {COUNT}, "
        rf"size = (?P<size>{SIZE}) MiB",
    ),
)


def _states(run: Run, line: Found) -> Iterator[Checked]:
    """Recurrent states: of each sequence one, and spare ones to take drafted tokens back."""
    labels = {"size": "recurrent states (MiB)", "r": "R (MiB)", "s": "S (MiB)"}
    printed = figures(line, labels)
    if run.subject.model is None:
        run.buffered = []
        yield from (each.cannot(NO_MODEL) for each in printed.values())
        return
    copies = number(line.values["cells"]) * (1 + number(line.values.get("rollback", "0")))
    yield from buffers.held(run, "recurrent", copies, {})
    rows = run.rows("recurrent", {})
    ours = {name: copies * rows.get(name.upper(), 0) for name in ("r", "s")}
    ours["size"] = sum(ours.values())
    for name, each in printed.items():
        yield each.against(single_mib(ours[name]), f"{copies} states of all recurrent layers, f32")


def _compressor(run: Run, line: Found) -> Iterator[Checked]:
    """DeepSeek V4's states of what is being compressed."""
    memory = COMPRESSORS[line.values["memory"]]
    printed = Printed(line.line, f"{MEMORIES[memory]} (MiB)", line.values["size"])
    if run.subject.model is None:
        run.buffered = []
        yield printed.cannot(NO_MODEL)
        return
    streams = number(line.values["streams"])
    changes = {"n_rs_seq": number(line.values["rollback"])}
    yield from buffers.held(run, memory, streams, changes)
    ours = streams * sum(run.rows(memory, changes).values())
    yield printed.against(Fraction(ours, 2**20), f"{streams} streams, f32")


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "states": _states,
    "compressor": _compressor,
}
"""How each kind of line is checked."""
