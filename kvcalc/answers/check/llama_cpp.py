"""llama.cpp's figures: cells, and the bytes of K, V and recurrent states in them."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from kvcalc.answers.check.llama_cpp_log import FULL, SLIDING, Log
from kvcalc.answers.check.verdict import (
    Checked,
    Printed,
    Subject,
    first_that_agrees,
    number,
)
from kvcalc.engines.llama_cpp.block_types import block_type
from kvcalc.engines.llama_cpp.loading import load

if TYPE_CHECKING:
    from kvcalc.readers.logs.pattern import Found

MIB = 2**20
UBATCHES = (512, 2048, 128, 256, 1024, 4096)
SEQUENCES = (1, 2, 3, 4, 8, 16)
MLA_V = "llama.cpp up to mid-2025, which kept a V of the latent too"
OLD_DEFAULT = "f32, which old bindings took where the log names no type"
NO_MODEL = "the model is missing: give --model"
NO_CONTEXT = "the context is missing: give --set context=N"


def check(found: "Sequence[Found]", subject: Subject) -> Iterator[Checked]:
    """Hold each figure against what llama.cpp's rules give for the model."""
    log = Log(subject, found)
    for line in found:
        rule = RULES.get(line.kind)
        if rule:
            yield from rule(log, line)
    yield from _buffers(log)


def _buffers(log: Log) -> Iterator[Checked]:
    """Hold the device buffers of the cache created last against it, together."""
    lines, log.buffered = log.buffered, []
    if not lines:
        return
    total = sum((Fraction(line.values["size"]) for line in lines), Fraction(0))
    printed = Printed(lines[-1].line, "KV buffer size (MiB)", _decimal(total))
    if log.subject.model is None:
        yield printed.cannot(NO_MODEL)
    elif log.creating is None:
        yield printed.cannot("the cells that the buffer holds are missing")
    else:
        group, cells = log.creating
        streams = 1 if log.unified else log.seqs()
        type_k, type_v = (log.type_of(lines[0], name) for name in ("type_k", "type_v"))
        size = streams * cells * sum(log.rows(group, type_k, type_v))
        why = f"{streams} streams x {cells} cells x {len(log.layers[group])} {group} layers"
        yield printed.held(Fraction(size, MIB), why)


def _creating(log: Log, line: "Found") -> Iterator[Checked]:
    yield from _buffers(log)
    cells = number(line.values["cells"])
    log.creating = (FULL if "full" in line.values else SLIDING, cells)
    printed = Printed(line.line, f"{log.creating[0]} layers' cache (cells)", line.values["cells"])
    if log.creating[0] == SLIDING:
        yield _sliding(log, printed)
    elif log.subject.context is not None:
        seqs = log.seqs()
        padded = -(-log.subject.context * seqs // 256) * 256
        ours = padded if log.unified else -(-log.subject.context // 256) * 256
        yield printed.held(ours, f"{log.subject.context:,} tokens of {seqs} sequences, padded")


def _sliding(log: Log, printed: Printed) -> Checked:
    if log.subject.model is None:
        return printed.cannot(NO_MODEL)
    if not log.layers[SLIDING]:
        return printed.held(0, "no layer of the model slides")
    full, ubatch, seqs, unified = log.context_cells, log.ubatch(), log.seqs(), log.unified
    ours = log.sliding_cells(full, ubatch, seqs, unified)
    shared = f" x {seqs} sequences" if unified else ""
    why = f"window {log.window():,}{shared} + ubatch_size {ubatch:,}, padded to 256"

    def explain(printed: Printed) -> str | None:
        return first_that_agrees(
            printed,
            (
                (_change(tokens, count), partial(log.sliding_cells, full, tokens, count, count > 1))
                for count, tokens in product(SEQUENCES, UBATCHES)
            ),
        )

    return printed.held(ours, why, explain)


def _change(ubatch: int, sequences: int) -> str:
    shared = f" and {sequences} sequences in one buffer (kv_unified)" if sequences > 1 else ""
    return f"ubatch_size={ubatch}{shared}"


def _cache(log: Log, line: "Found") -> Iterator[Checked]:
    log.buffered = []
    values, cells = line.values, number(line.values["cells"])
    printed = {
        name: Printed(line.line, f"{label} (MiB)", values[name])
        for name, label in (("size", "cache size"), ("k", "K"), ("v", "V"))
        if name in values
    }
    if log.subject.model is None:
        yield from (each.cannot(NO_MODEL) for each in printed.values())
        return
    layers = number(values["layers"]) if "layers" in values else None
    group = log.group_of(cells, layers)
    announced = log.creating == (group, cells)
    if group == SLIDING and log.layers[FULL] and not announced:
        yield _sliding(log, Printed(line.line, "sliding layers' cache (cells)", values["cells"]))
    streams = number(values.get("streams", "1"))
    type_k, type_v = log.type_of(line, "type_k"), log.type_of(line, "type_v")
    if (
        "type_v" not in values
        and "k" in values
        and 2 * Fraction(values["k"]) == Fraction(values["size"])
    ):
        type_v = type_k
    rows = log.rows(group, type_k, type_v)
    sizes = [streams * cells * row for row in rows]
    ours = {"size": sum(sizes), "k": sizes[0], "v": sizes[1]}
    why = f"{streams} streams x {cells} cells x {len(log.layers[group])} {group} layers"
    for name, each in printed.items():
        of = {"size": f"{type_k} and {type_v}", "k": type_k, "v": type_v}[name]
        yield each.held(Fraction(ours[name], MIB), f"{why}, {of}")


def _self_size(log: Log, line: "Found") -> Iterator[Checked]:
    """The total that llama.cpp of before 2025-05 prints, and its forks."""
    values = line.values
    printed = {
        name: Printed(line.line, f"{label} (MiB)", values[name])
        for name, label in (("size", "KV self size"), ("k", "K"), ("v", "V"), ("c", "c^KV"))
        if name in values
    }
    tokens = log.total()
    if log.subject.model is None or tokens is None:
        missing = (
            NO_MODEL
            if log.subject.model is None
            else "the context is missing: give --set context=N"
        )
        yield from (each.cannot(missing) for each in printed.values())
        return
    typed = "type_k" in values or "type_c" in values
    type_k = values.get("type_c") or log.type_of(line, "type_k")
    type_v = log.type_of(line, "type_v") if "type_c" not in values else type_k
    k = v = 0
    for group in (FULL, SLIDING):
        of_k, of_v = log.rows(group, type_k, type_v)
        k, v = k + tokens * of_k, v + tokens * of_v
    why = f"{tokens:,} cells x {sum(map(len, log.layers.values()))} layers, {type_k}"
    if v == 0 and Fraction(values.get("v", "0")):
        latent: list[Any] = log.layers[FULL]
        v = tokens * sum(block_type(type_v).row_bytes(cache.kv_lora_rank) for cache in latent)
        why += f", as {MLA_V}"
    if not typed and printed["size"].agrees_with(Fraction(2 * (k + v), MIB)):
        k, v, why = 2 * k, 2 * v, f"{why}, doubled: {OLD_DEFAULT}"
    ours = {"size": k + v, "k": k, "v": v, "c": k}
    for name, each in printed.items():
        yield each.held(Fraction(ours[name], MIB), why)


def _states(log: Log, line: "Found") -> Iterator[Checked]:
    values = line.values
    printed = {
        name: Printed(line.line, f"{label} (MiB)", values[name])
        for name, label in (("size", "recurrent states"), ("r", "R"), ("s", "S"))
    }
    if log.subject.model is None:
        yield from (each.cannot(NO_MODEL) for each in printed.values())
        return
    copies = number(values["cells"]) * (1 + number(values["rollback"]))
    r = s = 0
    for layer in load(log.subject.model, "default").layers:
        for cache in layer.caches:
            state: Any = cache
            if hasattr(cache, "state_elements"):
                r += 4 * (state.shift_elements + state.channels * max(state.taps - 1, 0))
                s += 4 * state.state_elements
    ours = {"size": copies * (r + s), "r": copies * r, "s": copies * s}
    for name, each in printed.items():
        yield each.held(Fraction(ours[name], MIB), f"{copies} states of all recurrent layers, f32")


def _buffer(log: Log, line: "Found") -> Iterator[Checked]:
    log.buffered.append(line)
    yield from ()


def _decimal(value: Fraction) -> str:
    hundredths = int(value * 100)
    return f"{hundredths // 100}.{hundredths % 100:02}"


RULES = {
    "creating": _creating,
    "cache": _cache,
    "self": _self_size,
    "states": _states,
    "buffer": _buffer,
}
"""How each kind of line is checked."""
