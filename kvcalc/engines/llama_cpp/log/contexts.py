"""The contexts of a llama.cpp log: a model's own, that of its NextN layers, a draft model's.

A context begins with its `n_seq_max`, or with the line that tells of a draft
(common/speculative.cpp, tools/server/server-context.cpp).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from kvcalc.engines.log import CANNOT, DIFFERS, Checked, Found, Subject, pattern

PATTERNS = (
    pattern("mtp", "MTP draft context", r"creating (?P<mtp>MTP) draft context"),
    pattern("draft", "loading draft model", r"loading (?P<draft>draft) model"),
)

FIGURES = frozenset({"creating", "cache", "states", "compressor", "buffer", "self"})
"""Kinds of lines with figures of a context's memories."""

TYPES = ("kv_cache_dtype", "cache_type_k", "cache_type_v")

Checks = Callable[[Sequence[Found], Subject], Iterable[Checked]]


class Context(NamedTuple):
    """The lines of a context; `kind` is "own", "again" for one more, "mtp" or "draft"."""

    kind: str
    lines: list[Found]


def contexts(found: Sequence[Found]) -> list[Context]:
    """Part a log's lines by context."""
    parts = [Context("own", [])]
    for line in found:
        begun = any(one.kind in FIGURES for one in parts[-1].lines)
        if line.kind in ("mtp", "draft"):
            parts.append(Context(line.kind, []))
        elif line.kind == "n_seq_max" and begun:
            parts.append(Context("again", []))
        parts[-1].lines.append(line)
    return parts


def _again(check: Checks, lines: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """One more context: of the same model, or of one that the log does not name."""
    for row in check(lines, subject):
        if row.verdict == DIFFERS:
            row = replace(
                row, ours=None, verdict=CANNOT, why="a further context, maybe of another model"
            )
        yield row


def _mtp(check: Checks, lines: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """The context of the NextN layers: f16 whatever the model's types are, without spare states."""
    own = {name: value for name, value in subject.settings.items() if name not in TYPES}
    yield from check(lines, replace(subject, settings={**own, "ctx_type": "mtp", "n_rs_seq": 0}))


def _draft(check: Checks, lines: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """A draft's context, whose model is not that of the log."""
    for row in check(lines, replace(subject, model=None)):
        yield replace(row, why="of the draft, which is another model")


CHECKS: Mapping[str, Callable[[Checks, Sequence[Found], Subject], Iterable[Checked]]] = {
    "own": lambda check, lines, subject: check(lines, subject),
    "again": _again,
    "mtp": _mtp,
    "draft": _draft,
}
"""How the lines of each kind of context are checked."""
