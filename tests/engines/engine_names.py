"""Names in the engines' own source, as tests/oracles/engine_names.json has them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = json.loads((Path(__file__).parents[1] / "oracles" / "engine_names.json").read_text())


@cache
def options(engine: str) -> dict[str, tuple[str, Any]]:
    """Each flag of an engine: its option, and how many values it takes (-1: as many as follow)."""
    rows = SOURCE["options"]["rows"]
    return {flag: (option, values) for of, flag, option, values in rows if of == engine}


@cache
def names(engine: str, of: str) -> dict[str, str]:
    """A list of an engine's names, and what its source says of each."""
    rows = SOURCE["names"]["rows"]
    return {name: value or "" for by, which, name, value in rows if (by, which) == (engine, of)}
