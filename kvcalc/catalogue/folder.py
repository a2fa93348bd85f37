"""Where the files of the catalogue stand, and how one is read."""

import json
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from kvcalc.errors import SourceError, quote
from kvcalc.files import read_bytes

MAX_FILE_BYTES = 2**16
"""Far past any preset; Python's TOML parser takes more than linear time for some texts."""

MAX_DOTS = 64
"""The most dots of a line outside its texts: those of a key are tables within each other, each
copied by the parser into the next."""

TEXTS = rb'"(?:[^"\\]|\\.)*"' rb"|'[^']*'"


@cache
def folder(kind: str) -> Path:
    """The folder of the "models" or the "gpus": in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "presets"
    return (installed if installed.is_dir() else package.parent / "presets") / kind


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SourceError: it cannot be read, is too large, or is not TOML.
    """
    import re
    import tomllib

    content = read_bytes(path, MAX_FILE_BYTES)
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.count(b".") <= MAX_DOTS:
            continue
        if (dots := re.sub(TEXTS, b"", line).count(b".")) > MAX_DOTS:
            raise SourceError.of(
                path, f"line {number:,}: found {dots:,} dots, expected at most {MAX_DOTS}"
            )
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{quote(str(path))}: not TOML ({quote(str(error))})", source=str(path)
        ) from None


def known_table(path: Path) -> dict[str, Any]:
    """Read a file of the catalogue, or what was read of it ahead: a parser's start takes its time.

    A file that was changed since is read itself.
    """
    ahead = _ahead(path.parents[1] / "tables.jsonl")
    start = ahead.find(f'["{path.stem}", {crc32(path.read_bytes())}, '.encode())
    if start < 0:
        return read_table(path)
    found: dict[str, Any] = json.loads(ahead[start : ahead.index(b"\n", start)])[2]
    return found


@cache
def _ahead(tables: Path) -> bytes:
    return tables.read_bytes()
