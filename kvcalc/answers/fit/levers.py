"""Which settings would give back memory of a GPU that the engine's start takes."""

from kvcalc.answers.fit import Answer
from kvcalc.answers.fit.replica import Replica
from kvcalc.answers.fit.started import started
from kvcalc.engines.server import writer
from kvcalc.errors import KvcalcError
from kvcalc.units import binary_size

WORTH = 2**28
"""The least bytes for which a setting is worth naming."""


def giving_back(answer: Answer) -> list[str]:
    """Name the settings that make the parts of a start smaller, and by how much, the largest first.

    No setting is named that was given, or that would not run the sequences that are likely.
    """
    fit, replica = answer.fit, answer.replica
    asked, most = replica.question, -(-max(fit.max_sequences, fit.sequences) // fit.replicas)
    now = sum(part.bytes for part in replica.room.parts)
    found: list[tuple[int, str]] = []
    own = asked.reserve is None and asked.measured is None
    for name, value in asked.memory.levers.items() if own else ():
        words = _flag(replica, name, value)
        if words is None or asked.settings.get(name) is not None:
            continue
        try:
            other = started(asked.with_settings(**{name: value}), replica.cards)
        except KvcalcError:
            continue
        cap = asked.memory.cap(other.parsed, asked.card) if asked.memory.cap else most
        if cap < most:
            continue
        room = min(other.rooms, key=lambda room: room.likely)
        if (back := now - sum(part.bytes for part in room.parts)) >= WORTH:
            found.append((back, f"{words}: {binary_size(back)} a GPU"))
    return [words for _, words in sorted(found, reverse=True)]


def _flag(replica: Replica, name: str, value: object) -> str | None:
    """The engine's own flag for a setting; None where it has none."""
    server = replica.question.engine.server
    if server is None:
        return None
    return writer.flags(server, replica.question.model, {name: value})
