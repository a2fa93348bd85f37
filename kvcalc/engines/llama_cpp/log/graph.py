"""What llama.cpp's log says of its graph's buffers and of its output's, device by device.

src/llama-context.cpp (sched_reserve, output_reserve) of 2026-10-01, and as older versions had it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import chain, groupby
from typing import Any

from kvcalc.engines.llama_cpp.log.cells import UBATCHES
from kvcalc.engines.llama_cpp.log.loaded import DEVICE, is_host, layers_on_devices, tensors
from kvcalc.engines.llama_cpp.log.run import NO_CONTEXT, Run
from kvcalc.engines.llama_cpp.start_up import graph, host_buffer, widths
from kvcalc.engines.llama_cpp.weights import blocks_of
from kvcalc.engines.log import (
    AGREES,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Changes,
    Checked,
    Found,
    Printed,
    either,
    in_words,
    pattern,
)
from kvcalc.errors import UnsupportedError
from kvcalc.parameters.stored import Stored
from kvcalc.units import plural

PATTERNS = (
    pattern(
        "graph buffer",
        "compute buffer size = ",
        rf"(?:llama_[a-z_]{{1,40}}|sched_reserve|reserve): (?P<device>{DEVICE}) compute buffer "
        rf"size = (?P<size>{SIZE}) MiB",
    ),
    pattern(
        "output buffer",
        "output buffer size = ",
        rf"(?P<device>{DEVICE}) output buffer size = (?P<size>{SIZE}) MiB",
    ),
    *(
        pattern("fork", needle, regex)
        for needle, regex in (
            ("llama_new_context_with_model:", r": (?:mla_attn|attn_max_b|fused_moe) ="),
            ("c^KV", r"c\^KV"),
        )
    ),
)

MIB, ELEMENT = 2**20, 4

EXPLAINING: Mapping[str, Sequence[Any]] = {"flash_attn": (False,), "ubatch_size": UBATCHES}
"""Settings that a graph's buffer depends on, and the values that may explain it."""

NO_VOCABULARY = "the model's vocabulary is missing: give --model and its .gguf"
OF_A_FORK = "the log is of ik_llama.cpp, whose graphs are computed otherwise"
IN_MAIN_MEMORY = (
    "layers or experts that stay in main memory are computed in part on the device, which takes "
    "what no rule gives"
)


def check(run: Run) -> Iterator[Checked]:
    """Hold each graph's buffers, and each output's, against ours within their bands."""
    for kind, lines in groupby(run.found, key=lambda line: line.kind):
        if kind == "graph buffer":
            yield from _graph(run, list(lines))
        elif kind == "output buffer":
            yield from (_output(run, line) for line in lines)


def _graph(run: Run, lines: Sequence[Found]) -> Iterator[Checked]:
    on_devices = [line for line in lines if not is_host(line)]
    for line in lines:
        printed = Printed(
            line.line, f"{line.values['device']} compute buffer size (MiB)", line.values["size"]
        )
        again = partial(_of_graph, run, printed, len(on_devices), in_main_memory=is_host(line))
        yield _explained(run, again)


def _explained(run: Run, again: Callable[[Changes], Checked]) -> Checked:
    """What is said of a graph's buffer, with the settings that would explain it."""
    row = again({})
    if row.verdict != DIFFERS or not run.subject.may_explain():
        return row
    causes = either(_cause(run, again, name, values) for name, values in EXPLAINING.items())
    return replace(row, why=f"{row.why}; {causes} would explain it") if causes else row


def _cause(
    run: Run, again: Callable[[Changes], Checked], name: str, values: Sequence[Any]
) -> str | None:
    """The first value of a setting with which the buffer agrees."""
    for changes in chain.from_iterable(run.causes({name: values})):
        if changes and again(changes).verdict == AGREES:
            return in_words(changes)
    return None


def _of_graph(
    run: Run, printed: Printed, devices: int, changes: Changes, *, in_main_memory: bool
) -> Checked:
    model = run.subject.model
    if model is None:
        return printed.cannot(NO_MODEL)
    if any(line.kind == "fork" for line in run.found):
        return printed.cannot(OF_A_FORK)
    if devices and _computes_in_main_memory(run):
        return printed.cannot(IN_MAIN_MEMORY)
    settings = run.settings(changes)
    if devices > 1 and settings.tensor_split is None:
        settings = run.settings({**changes, "tensor_split": (1.0,) * devices})
    stored = _stored(run)
    whole = graph(model, settings, stored)
    cells = run.context_cells or run.total()
    if cells is None and (in_main_memory or not devices):
        return printed.cannot(NO_CONTEXT)
    beside = host_buffer(model, settings, cells or 0, stored)
    if whole is None or beside is None:
        return printed.cannot(NO_VOCABULARY)
    if not devices:  # the processor computes all of it
        low, size, high = whole.low, whole.bytes, whole.high + beside.high
        part = whole
    elif in_main_memory:
        part, low, size, high = beside, beside.low, beside.bytes, beside.high
    else:
        part, low, size, high = whole, whole.low, whole.bytes, whole.high
    band = f"{part.kind}, {low / MIB:.2f} to {high / MIB:.2f} MiB"
    return printed.within(size, low, high, MIB, f"{part.name}: {band}")


def _computes_in_main_memory(run: Run) -> bool:
    """Whether some layers or experts are left there, as settings or the log say."""
    settings, layers = run.settings({}), layers_on_devices(run)
    blocks = blocks_of(run.subject.stored) if run.subject.stored else run.loaded.blocks
    some = layers is not None and layers <= blocks
    return some or bool(settings.n_cpu_moe or settings.overrides) or not settings.offload_kqv


def _stored(run: Run) -> tuple[Stored, ...]:
    try:
        return tensors(run)
    except UnsupportedError:
        return ()


def _output(run: Run, line: Found) -> Checked:
    """Logits of a token of each sequence, and its hidden state where embeddings are asked for."""
    printed = Printed(line.line, "output buffer size (MiB)", line.values["size"])
    model = run.subject.model
    if model is None:
        return printed.cannot(NO_MODEL)
    found = widths(model, _stored(run))
    if found is None:
        return printed.cannot(NO_VOCABULARY)
    logits = run.sequences * found.vocabulary * ELEMENT
    with_states = logits + run.sequences * found.hidden * ELEMENT
    why = f"logits of {plural(run.sequences, 'sequence')}"
    if printed.value - printed.half_step > Fraction(with_states, MIB):
        return printed.cannot(f"what is kept beside {why} is not known")
    if printed.agrees_with(Fraction(with_states, MIB)):
        return printed.row(Fraction(with_states, MIB), AGREES, f"{why}, and their hidden states")
    return printed.against(Fraction(logits, MIB), why)
