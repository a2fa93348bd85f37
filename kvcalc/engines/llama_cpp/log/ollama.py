"""Ollama's lines: what it reckons the cache to need before it starts llama.cpp.

Read in Ollama's server/sched.go, llm/memory.go, llm/server.go, runner/ollamarunner/runner.go and
kvcache/causal.go.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from kvcalc.engines.llama_cpp.block_types import block_type
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

PATTERNS = (
    pattern(
        "required",
        "memory.required.kv",
        rf'memory\.required\.kv="(?P<size>{SIZE}) (?P<unit>[KMGT]iB)"',
    ),
    pattern(
        "load",
        "msg=load",
        rf"msg=load request=.*?\bParallel:(?P<parallel>{COUNT})"
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
    pattern("--ctx-size", "--ctx-size", rf"--ctx-size (?P<value>{COUNT})"),
    pattern("--batch-size", "--ctx-size", rf"--batch-size (?P<value>{COUNT})"),
    pattern("--parallel", "--ctx-size", rf"--parallel (?P<value>{COUNT})"),
    pattern("--kv-cache-type", "--ctx-size", r"--kv-cache-type (?P<value>[a-z0-9_]{1,10})"),
)

UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
BATCH = "512"
PAD = 256
"""Tokens that Ollama's engine rounds a cache to at most (ml/backend/ggml/ggml.go, CachePadding:
256, in older ones 32 without flash attention)."""


def _required(run: Run, line: Found) -> Iterator[Checked]:
    """Ollama's own rule: all tokens of a full layer, windows and a batch of a sliding one."""
    subject, facts = run.subject, run.facts
    unit = line.values["unit"]
    printed = Printed(line.line, f"memory.required.kv ({unit})", line.values["size"])
    sequences = subject.sequences or number(facts.get("--parallel", "1"))
    total = subject.number("n_ctx", number(facts.get("--ctx-size", "0")))
    total = total or (subject.context or 0) * sequences
    if subject.model is None or not total:
        yield printed.cannot(NO_MODEL if total else "the context (--ctx-size) is missing")
        return
    batch = subject.number("batch_size", number(facts.get("--batch-size", BATCH)))
    of = block_type(str(subject.settings.get("cache_type_k", facts.get("--kv-cache-type", "f16"))))
    size = sum(
        layers * _cells(cache, total, sequences, batch) * sum(of.row_bytes(n) for n in _row(cache))
        for layer, layers in subject.model.groups
        for cache in layer.caches
    )
    why = f"{total:,} tokens of {sequences} sequences, {of.name}, a window with {batch} on top"
    yield printed.held(Fraction(size, UNITS[unit]), why)


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
    tokens = number(run.request.get("tokens", "0"))
    model = run.subject.model
    if model is None or not tokens:
        yield printed.cannot("the load request (KvSize) is missing" if model else NO_MODEL)
        return
    if model.kinds != {"full_attention"} or tokens % PAD:
        yield printed.cannot("how Ollama's own engine lays out other than full layers is not known")
        return
    of = block_type(run.request["type"] or "f16")
    ours = sum(
        layers * tokens * sum(of.row_bytes(elements) for elements in _row(layer))
        for layer, layers in model.groups
    )
    why = f"{tokens:,} tokens of {run.request['parallel']} sequences, {of.name}"
    size = Fraction(ours, UNITS[unit])
    yield printed.row(size, AGREES, why) if abs(total - ours) <= step else printed.held(size, why)


def _cells(cache: Layer, total: int, sequences: int, batch: int) -> int:
    """Tokens that a layer keeps: all, or each sequence's window and a batch."""
    window = cache.attention_window
    return total if window is None else min(total, sequences * window + batch)


def _row(cache: Layer) -> tuple[int, int]:
    """Elements of a row of K and of V; a latent row is K alone, a state neither."""
    facts: dict[str, Any] = dict(cache)
    if "kv_lora_rank" in facts:
        return facts["kv_lora_rank"] + facts["qk_rope_head_dim"], 0
    if "attention" not in cache.kind:
        return 0, 0
    if "kv_heads" not in facts:
        return facts["head_dim"], 0
    return facts["kv_heads"] * facts["head_dim"], facts["kv_heads"] * (
        facts["v_head_dim"] or facts["head_dim"]
    )


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "required": _required,
    "load": _load,
    "held": _held,
}
"""How each kind of line is checked."""
