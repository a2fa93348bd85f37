"""Ollama's lines: what it reckons the cache to need before it starts, and what its engine holds.

Read in Ollama 0.5.7 to 0.20.0: server/sched.go, llm/memory.go, llm/server.go, fs/ggml/ggml.go
(GraphSize), runner/ollamarunner/runner.go, kvcache/causal.go and model/models.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from kvcalc.engines.llama_cpp.block_types import block_type
from kvcalc.engines.llama_cpp.log.ollama_layers import PAD, cells_of, kept_of, row_of
from kvcalc.engines.llama_cpp.log.run import Run
from kvcalc.engines.log import (
    AGREES,
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    number,
    pattern,
)
from kvcalc.layers.layer import Layer
from kvcalc.units import plural

PATTERNS = (
    pattern(
        "required",
        "memory.required.kv",
        rf'memory\.required\.kv="(?P<size>{SIZE}) (?P<unit>[KMGT]iB)"',
    ),
    pattern(
        "load",
        "msg=load",
        rf"msg=load request=.*?\bParallel:(?P<parallel>{COUNT}) BatchSize:(?P<batch>{COUNT})"
        rf".*?\bKvSize:(?P<tokens>{COUNT}) KvCacheType:(?P<type>[a-z0-9_]{{0,10}})",
    ),
    pattern(
        "held",
        'msg="kv cache"',
        rf'msg="kv cache" device=[A-Za-z0-9:_-]{{1,40}} size="(?P<size>{SIZE}) (?P<unit>[KMGT]iB)"',
    ),
    pattern(
        "n_ctx", "starting llama-server", rf"llama-server\b.{{0,400}}?\s-c (?P<value>{COUNT})\b"
    ),
    pattern(
        "n_seq_max",
        "starting llama-server",
        rf"llama-server\b.{{0,400}}?\s-np (?P<value>{COUNT})\b",
    ),
    pattern(
        "n_ubatch",
        "starting llama-server",
        rf"llama-server\b.{{0,800}}?\s-ub (?P<value>{COUNT})\b",
    ),
    pattern("--ctx-size", "--ctx-size", rf"--ctx-size (?P<value>{COUNT})"),
    pattern("--batch-size", "--ctx-size", rf"--batch-size (?P<value>{COUNT})"),
    pattern("--parallel", "--ctx-size", rf"--parallel (?P<value>{COUNT})"),
    pattern("--kv-cache-type", "--ctx-size", r"--kv-cache-type (?P<value>[a-z0-9_]{1,10})"),
)

UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
BATCH = "512"
ELEMENT_BYTES = {"q8_0": Fraction(1), "q4_0": Fraction(1, 2)}
"""What Ollama reckons an element to take, without the scales of its block; of any other type 2
bytes (fs/ggml/ggml.go, kvCacheBytesPerElement)."""

ALL_KEPT = "every layer with all tokens, as Ollama before 0.6.3 reckoned"
NOT_ALIKE = "what Ollama reckons for layers that differ in more than their windows is not known"
NOT_LAID_OUT = "how Ollama's own engine lays out other than full layers is not known"


def _required(run: Run, line: Found) -> Iterator[Checked]:
    """Ollama's own rule: all tokens of a layer, or what it keeps of a sliding one and a batch."""
    subject, facts = run.subject, run.facts
    unit = line.values["unit"]
    printed = Printed(line.line, f"memory.required.kv ({unit})", line.values["size"])
    after = run.found[run.found.index(line) :]
    request = next((one.values for one in after if one.kind == "load"), {})
    parallel = facts.get("--parallel") or request.get("parallel", "1")
    sequences = subject.sequences or number(parallel)
    tokens = facts.get("--ctx-size") or request.get("tokens", "0")
    total = subject.number("n_ctx", number(tokens)) or (subject.context or 0) * sequences
    model = subject.model
    if model is None or not total:
        yield printed.cannot(NO_MODEL if total else "the context (--ctx-size) is missing")
        return
    rows = {row_of(layer) for layer in model.layers}
    if len(rows) > 1 or None in rows:
        yield printed.cannot(NOT_ALIKE)
        return
    batch = subject.number(
        "batch_size", number(facts.get("--batch-size") or request.get("batch", BATCH))
    )
    of = str(
        subject.settings.get("cache_type_k")
        or facts.get("--kv-cache-type")
        or request.get("type")
        or "f16"
    )
    element = ELEMENT_BYTES.get(of, Fraction(2))

    def ours(cells: Callable[[Layer], int]) -> Fraction:
        size = sum(n * cells(layer) * sum(row_of(layer) or ()) for layer, n in model.groups)
        return size * element / UNITS[unit]

    def reckoned(layer: Layer) -> int:
        kept = kept_of(model, layer)
        return total if kept is None else sequences * kept + batch

    why = f"{total:,} tokens of {plural(sequences, 'sequence')}, {of}"
    size, all_kept = ours(reckoned), ours(lambda _: total)
    if size != all_kept and not printed.agrees_with(size) and printed.agrees_with(all_kept):
        yield printed.row(all_kept, AGREES, f"{why}: {ALL_KEPT}")
        return
    more = f", of a sliding layer what is kept and a batch of {batch}" if size != all_kept else ""
    yield printed.against(size, f"{why}{more}")


def _load(run: Run, line: Found) -> Iterator[Checked]:
    """What the runner is asked to load: tokens of all sequences, and the cache's type."""
    run.request, run.held = line.values, []
    yield from ()


def _held(run: Run, line: Found) -> Iterator[Checked]:
    """What Ollama's own engine holds on each device; all together where the last is read."""
    run.held.append(line)
    after = run.found[run.found.index(line) + 1 :]
    if after and after[0].kind == "held":
        return
    unit = max((one.values["unit"] for one in run.held), key=list(UNITS).index)
    units = [UNITS[one.values["unit"]] for one in run.held]
    step = Fraction(sum(units), 20)
    sizes = [Fraction(one.values["size"]) for one in run.held]
    total = sum((size * of for size, of in zip(sizes, units, strict=True)), Fraction())
    printed = Printed(line.line, f"kv cache ({unit})", f"{float(total / UNITS[unit]):.1f}")
    model = run.subject.model
    if model is None or not number(run.request.get("tokens", "0")):
        yield printed.cannot("the load request (KvSize) is missing" if model else NO_MODEL)
        return
    of = block_type(run.request["type"] or "f16")
    held = []
    for newer in (True, False):
        cells = {
            layer: cells_of(model, layer, run.request, newer=newer) for layer in {*model.layers}
        }
        if any(count is None or count % PAD for count in cells.values()):
            yield printed.cannot(NOT_LAID_OUT)
            return
        held.append(
            sum(
                layers * (cells[layer] or 0) * sum(map(of.row_bytes, row_of(layer) or ()))
                for layer, layers in model.groups
            )
        )
    of_all = plural(number(run.request["parallel"]), "sequence")
    why = f"{number(run.request['tokens']):,} tokens of {of_all}"
    close = next((size for size in held if abs(total - size) <= step), None)
    size = Fraction(held[0] if close is None else close, UNITS[unit])
    if close is None:
        yield printed.against(size, f"{why}, {of.name}")
    else:
        yield printed.row(size, AGREES, f"{why}, {of.name}")


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "required": _required,
    "load": _load,
    "held": _held,
}
"""How each kind of line is checked."""
