"""Ollama's figure: what it reckons its cache to need before it loads a model."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from kvcalc.answers.check.llama_cpp import NO_MODEL
from kvcalc.answers.check.llama_cpp_log import elements
from kvcalc.answers.check.verdict import UNITS, Checked, Printed, Subject, number
from kvcalc.engines.llama_cpp.block_types import block_type

if TYPE_CHECKING:
    from kvcalc.readers.logs.pattern import Found


def check(found: "Sequence[Found]", subject: Subject) -> Iterator[Checked]:
    """Hold each figure against Ollama's own rule: a window a sequence and a batch on top."""
    facts = {line.kind: line.values["value"] for line in found if "value" in line.values}
    for line in found:
        if line.kind != "required":
            continue
        unit = line.values["unit"]
        printed = Printed(line.line, f"memory.required.kv ({unit})", line.values["size"])
        seqs = subject.number(
            "sequences", "parallel", default=subject.sequences or number(facts.get("parallel", "1"))
        )
        logged = number(facts["context"]) if "context" in facts else 0
        total = subject.number("n_ctx", "ctx_size", "ctx", default=logged)
        total = total or (subject.context or 0) * seqs
        if subject.model is None or not total:
            yield printed.cannot(NO_MODEL if total else "the context (--ctx-size) is missing")
            continue
        batch = subject.number("batch", default=number(facts.get("batch", "512")))
        of = block_type(str(subject.settings.get("cache_type_k", facts.get("type", "f16"))))
        size = 0
        for layer in subject.model.layers:
            for cache in layer.caches:
                size += _cells(cache, total, seqs, batch) * sum(
                    of.row_bytes(count) for count in _row(cache)
                )
        why = f"{total:,} tokens of {seqs} sequences, {of.name}, a window with {batch} on top"
        yield printed.held(Fraction(size, UNITS[unit]), why)


def _cells(cache: Any, total: int, sequences: int, batch: int) -> int:
    """Tokens that a layer keeps: all, or each sequence's window and a batch."""
    if not (cache.windows or cache.kind == "chunked_attention"):
        return total
    window: int = cache.windows[0] if cache.windows else cache.chunk
    return min(total, sequences * window + batch)


def _row(cache: Any) -> tuple[int, int]:
    return elements(cache) if "attention" in cache.kind else (0, 0)
