"""The sources that each file of the catalogue names for its facts."""

from collections.abc import Collection, Iterable

from kvcalc.errors import SourceError
from kvcalc.frozen import Frozen, Text


class Source(Frozen):
    """Where facts stand: `facts` are keys of the preset, or of its layers ("layers.L.window")."""

    facts: tuple[Text, ...]
    title: Text
    address: Text
    revision: Text | None = None


def require_sources(facts: Iterable[Collection[str]], sources: Iterable[Source]) -> None:
    """Refuse a fact that no source names; each fact comes with all names that it may go by.

    Raises:
        SourceError: there is such a fact; the sentence has its longest name.
    """
    sourced = {fact for source in sources for fact in source.facts}
    for spellings in facts:
        if not sourced.intersection(spellings):
            raise SourceError(f"{max(spellings)}: has no source in [[sources]]")
