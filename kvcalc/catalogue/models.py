"""The catalogue of models: presets by name, which are TOML files."""

from pathlib import Path

from kvcalc.catalogue.folder import folder
from kvcalc.spelling import spelled


def key(name: str) -> str:
    """The name by which presets are matched: in lower case and without `org/`."""
    return name.lower().rpartition("/")[2]


def find(name: str) -> Path | None:
    """The file of the preset with that name, however it is dashed, or Hub id, if there is one."""
    if name.count("/") > 1 or name.startswith((".", "/")):
        return None
    if (own := spelled(key(name), names())) is not None:
        return folder("models") / f"{own}.toml"
    if "/" in name:
        line = f'hub_id = "{name.lower()}"\n'
        for path in folder("models").glob("*.toml"):
            if line in path.read_text("utf-8").lower():
                return path
    return None


def names() -> list[str]:
    """The presets' names, in order."""
    return sorted(path.stem for path in folder("models").iterdir() if path.suffix == ".toml")
