"""The catalogue of models: presets by name, which are TOML files."""

import json
from pathlib import Path
from typing import Any
from zlib import crc32

from kvcalc.catalogue.folder import folder, read_table
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


def table(path: Path) -> dict[str, Any]:
    """Read a preset's file, or what was read of it ahead: the parser is a part of a cold start.

    A file that was changed since is read itself.
    """
    ahead = (folder("models").parent / "tables.jsonl").read_bytes()
    start = ahead.find(f'["{path.stem}", {crc32(path.read_bytes())}, '.encode())
    if start < 0:
        return read_table(path)
    found: dict[str, Any] = json.loads(ahead[start : ahead.index(b"\n", start)])[2]
    return found
