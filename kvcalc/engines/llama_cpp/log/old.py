"""The lines of llama.cpp before 2025-05, and of its forks: one size for all layers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kvcalc.engines.llama_cpp.block_types import block_type
from kvcalc.engines.llama_cpp.log import buffers
from kvcalc.engines.llama_cpp.log.run import FULL, NO_CONTEXT, SLIDING, TYPE, Run, single_mib
from kvcalc.engines.log import COUNT, SIZE, Checked, Found, figures, pattern

PATTERNS = (
    pattern("kv size", "kv_size = ", rf"kv_cache[a-z_]{{0,20}}: kv_size = (?P<tokens>{COUNT}),"),
    pattern(
        "self",
        " self size",
        rf"[kK][vV] self size = (?P<size>{SIZE}) (?:MiB|MB)"
        rf"(?:, K \((?P<type_k>{TYPE})\): (?P<k>{SIZE}) MiB"
        rf", V \((?P<type_v>{TYPE})\): (?P<v>{SIZE}) MiB"
        rf"|, c\^KV \((?P<type_c>{TYPE})\): (?P<c>{SIZE}) MiB"
        rf"(?:, kv\^T \((?P<type_t>{TYPE})\): (?P<t>{SIZE}) MiB)?)?",
    ),
)

MEMORIES = (FULL, SLIDING)

LABELS = {
    "size": "KV self size (MiB)",
    "k": "K (MiB)",
    "v": "V (MiB)",
    "c": "c^KV (MiB)",
    "t": "kv^T (MiB)",
}
"""Those of latents, c^KV and kv^T, are ik_llama.cpp's."""

MLA_V = "llama.cpp before b7832, which kept a V of the latent too"
OLD_DEFAULT = "f32, which old bindings took where the log names no type"


def _self_size(run: Run, line: Found) -> Iterator[Checked]:
    """The size of a cache that gave every layer all cells."""
    values = line.values
    printed = figures(line, LABELS)
    tokens = run.total()
    missing = run.missing_for(line)
    if missing is not None or tokens is None:
        yield from (each.cannot(missing or NO_CONTEXT) for each in printed.values())
        return
    typed = "type_k" in values or "type_c" in values
    type_k = values.get("type_c") or run.type_of(line, "type_k")
    type_v = type_k if "type_c" in values else run.type_of(line, "type_v")
    types = {"cache_type_k": type_k, "cache_type_v": type_v}
    rows = [run.rows(memory, types) for memory in MEMORIES]
    k, v = (tokens * sum(row.get(tensor, 0) for row in rows) for tensor in ("K", "V"))
    layers = sum(n for memory in MEMORIES for _, n in run.tensors(memory, types))
    why = f"{tokens:,} cells x {layers} layers, {type_k}"
    if float(values.get("t", "0")):
        v = tokens * _latent_values(run, values["type_t"])
        why += f", and a transposed one of {values['type_t']}"
    elif v == 0 and float(values.get("v", "0")):
        v = tokens * _latent_values(run, type_v)
        why += f", as {MLA_V}"
    if not typed and printed["size"].agrees_with(single_mib(2 * (k + v))):
        k, v, why = 2 * k, 2 * v, f"{why}, doubled: {OLD_DEFAULT}"
    buffered, run.buffered = run.buffered, []
    if buffered:
        padding = sum(buffers.padding(run, memory, types, buffered) for memory in MEMORIES)
        yield buffers.together(buffered, k + v + padding, why)
    ours = {"size": k + v, "k": k, "v": v, "c": k, "t": v}
    for name, each in printed.items():
        yield each.against(single_mib(ours[name]), why)


def _latent_values(run: Run, type_v: str) -> int:
    """Bytes of a V of each latent row."""
    ranks: list[Any] = [
        dict(cache)["kv_lora_rank"]
        for layer in run.loaded.layers
        for cache in layer.caches
        if cache.kind == "latent_attention"
    ]
    return sum(block_type(type_v).row_bytes(rank) for rank in ranks)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {"self": _self_size}
"""How each kind of line is checked."""
