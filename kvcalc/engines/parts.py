"""What an engine may say beside its cost, each in a file of its folder that may be missing."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

PARTS = {
    "memory": "MEMORY",
    "weights": "WEIGHTS",
    "traffic": "TRAFFIC",
    "replay": "REPLAY",
    "server": "SERVER",
    "lines": "LINES",
    "log": "LOG",
}
"""Each file of an engine's folder, and the name that it defines."""


@cache
def part(folder: str, name: str) -> Any:
    """Import what an engine's folder says in a file of PARTS; None without that file."""
    module = f"{folder}.{name}"
    return getattr(import_module(module), PARTS[name]) if find_spec(module) else None
