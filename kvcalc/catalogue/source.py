"""Where the facts of the catalogue stand: its folder, and the sources that each file names."""

from functools import cache
from importlib import resources
from pathlib import Path

from kvcalc.frozen import Frozen
from kvcalc.model import Text

MAX_FILE_BYTES = 2**20


class Source(Frozen):
    """Where facts stand: `facts` are keys of the preset, or of its layers ("layers.L.window")."""

    facts: tuple[Text, ...]
    title: Text
    address: Text
    revision: Text | None = None


@cache
def folder() -> Path:
    """The folder of the models' presets: inside the package, or beside it in a checkout."""
    package = Path(str(resources.files("kvcalc")))
    installed = package / "presets"
    return (installed if installed.is_dir() else package.parent / "presets") / "models"
