"""Where the facts of the catalogue stand: its folder, and the sources that each file names."""

from collections.abc import Collection, Iterable
from functools import cache
from importlib import resources
from pathlib import Path

from kvcalc.errors import SourceError
from kvcalc.frozen import Frozen
from kvcalc.model import Text

MAX_FILE_BYTES = 2**20


class Source(Frozen):
    """Where facts stand: `facts` are keys of the preset, or of its layers ("layers.L.window")."""

    facts: tuple[Text, ...]
    title: Text
    address: Text
    revision: Text | None = None


def require_sources(facts: Iterable[Collection[str]], sources: Iterable[Source]) -> None:
    """Refuse a fact that no source names; each fact is given by all the spellings that name it.

    Raises:
        KvcalcError: there is one; the sentence has its longest spelling.
    """
    sourced = {fact for source in sources for fact in source.facts}
    for spellings in facts:
        if not sourced.intersection(spellings):
            raise SourceError(f"{max(spellings)}: has no source in [[sources]]")


@cache
def folder() -> Path:
    """The folder of the models' presets: inside the package, or beside it in a checkout."""
    package = Path(str(resources.files("kvcalc")))
    installed = package / "presets"
    return (installed if installed.is_dir() else package.parent / "presets") / "models"
