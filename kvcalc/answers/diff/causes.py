"""Which rules make two releases differ: each rule is changed by itself."""

from dataclasses import dataclass
from typing import Any

from kvcalc.answers.diff.side import Figures, Load, figures, under, with_setting
from kvcalc.answers.fit.replica import Replica
from kvcalc.engines.release_changes import ReleaseStep, steps
from kvcalc.engines.released import ReleasedSettings
from kvcalc.engines.server import writer
from kvcalc.errors import KvcalcError


@dataclass(frozen=True)
class Cause:
    """A rule or default that changed at a release, and what that changed.

    `release` is the one that changed it, `says` what holds on the new side and `was` on the old.
    `bytes`, `cache_memory_per_gpu`, `capacity_tokens` and `max_sequences` are the increases.
    `back` is the engine's own flag for the old behaviour, "" without such a flag.
    """

    release: str
    rule: str
    says: str
    was: str
    source: str
    bytes: int
    cache_memory_per_gpu: int | None
    capacity_tokens: int | None
    max_sequences: int | None
    back: str


def causes_of(old: Replica, new: Replica, load: Load) -> tuple[tuple[Cause, ...], int]:
    """What changed between two releases, the largest effect first, and the bytes left over.

    Rules are changed one at a time, in the order of the releases, each on top of those before it.
    Where the engine refuses the request between two rules, neither is the cause alone, and their
    bytes are left over. Different engines or models have no causes.
    """
    settings, newest = old.parsed, new.parsed
    if not isinstance(settings, ReleasedSettings) or not isinstance(newest, type(settings)):
        return (), 0
    if old.question.model != new.question.model:
        return (), 0
    known, end = (figures(one, load) for one in (old, new))
    found: list[Cause] = []
    together, parted = 0, True
    for step in steps(settings.RELEASES, settings.standing, newest.standing):
        try:
            now = figures(under(old, step.standing), load)
        except KvcalcError:  # a release of its own would not have had these rules together
            parted = False
            continue
        if not parted:
            together += now.bytes - known.bytes
        elif now != known or step.name in settings.RELEASES.told:
            found.append(_cause(step, known, now, _back(step, new, load)))
        known, parted = now, True
    together += end.bytes - known.bytes
    return tuple(sorted(found, key=_size, reverse=True)), together


def _size(cause: Cause) -> tuple[int, int, int]:
    return (
        abs(cause.bytes),
        abs(cause.max_sequences or 0),
        abs(cause.capacity_tokens or 0),
    )


def _cause(step: ReleaseStep, before: Figures, after: Figures, back: str) -> Cause:
    def more(was: int | None, now: int | None) -> int | None:
        return None if was is None or now is None else now - was

    return Cause(
        release=step.release,
        rule=step.name,
        says=step.after.says,
        was=step.before.says,
        source=step.after.source,
        bytes=after.bytes - before.bytes,
        cache_memory_per_gpu=more(before.cache_memory_per_gpu, after.cache_memory_per_gpu),
        capacity_tokens=more(before.capacity_tokens, after.capacity_tokens),
        max_sequences=more(before.max_sequences, after.max_sequences),
        back=back,
    )


def _back(step: ReleaseStep, new: Replica, load: Load) -> str:
    """The flag with which the new release has the same figures as without the change."""
    standing = new.parsed.standing
    assert standing is not None
    for name, value in step.back:
        try:
            there = figures(with_setting(new, name, value), load)
            without = figures(under(new, step.undone(standing)), load)
        except KvcalcError:
            continue
        if there == without != figures(new, load):
            return _flag(new, name, value) or ""
    return ""


def _flag(new: Replica, name: str, value: Any) -> str | None:
    server = new.question.engine.server
    if server is None:
        return None
    return writer.flag(server, "share" if name == new.question.memory.share else name, value)
