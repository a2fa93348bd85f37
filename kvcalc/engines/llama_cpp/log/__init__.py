"""llama.cpp's start-up lines, and the rules that check them: a file per subject."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from kvcalc.engines.llama_cpp.log import (
    beside,
    breakdown,
    buffers,
    cells,
    contexts,
    failed,
    graph,
    heads,
    loaded,
    old,
    ollama,
    states,
)
from kvcalc.engines.llama_cpp.log.run import Run
from kvcalc.engines.log import Checked, EngineLog, Found, Subject, or_why, ruled


def check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """Hold each figure against what llama.cpp's rules give for the model."""
    for context in contexts.contexts(found):
        yield from contexts.CHECKS[context.kind](_of_either, context.lines, subject)


def _of_either(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """The figures of one context, whose file may have whole heads."""
    yield from heads.check(_check, found, subject)


def _check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """The figures of one context."""
    run, without_model = Run(subject, found), Run(replace(subject, model=None), found)
    yield from ruled(found, RULES, run, without_model, subject.given)
    without_model.buffered = run.buffered
    for of_all in (buffers.flush, loaded.check, graph.check, breakdown.check):
        yield from or_why(of_all, run, without_model, subject.given)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    **cells.RULES,
    **states.RULES,
    **buffers.RULES,
    **failed.RULES,
    **old.RULES,
    **ollama.RULES,
    **beside.RULES,
}
"""How each kind of line is checked."""


def build(number: str) -> str | None:
    """The release of a build's number; None for a build out of a history without its commits."""
    return f"b{number}" if int(number) > 1 else None


LOG = EngineLog(
    patterns=(
        *ollama.PATTERNS,
        *cells.PATTERNS,
        *states.PATTERNS,
        *contexts.PATTERNS,
        *buffers.PATTERNS,
        *loaded.PATTERNS,
        *graph.PATTERNS,
        *failed.PATTERNS,
        *old.PATTERNS,
        *breakdown.PATTERNS,
        *beside.PATTERNS,
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
