"""One file a source of models; `load` finds the one that a name asks for."""

from difflib import get_close_matches
from pathlib import Path

from kvcalc.errors import KvcalcError, shown
from kvcalc.model import Model
from kvcalc.readers import preset


def load(source: str | Path) -> Model:
    """Read a model: a preset's name (without regard to case, with or without `org/`) or a file.

    Raises:
        KvcalcError: no such preset or file, or one that does not describe a model.
    """
    text = str(source)
    if (path := preset.find(text)) is not None:
        return preset.read(path)
    path = Path(text)
    if path.suffix == ".toml":
        return preset.read(path)
    if _is_folder(path):
        raise KvcalcError(f"{shown(text)} is a folder; expected a preset's name or a .toml file")
    near = get_close_matches(preset.key(text), preset.names(), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}" if near else "`kvcalc models` lists the presets"
    raise KvcalcError(f"model {shown(text)} is unknown; {hint}")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long for any file
        return False
