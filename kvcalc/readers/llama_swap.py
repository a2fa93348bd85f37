"""The models of a llama-swap configuration, each with the command that starts its server.

config.example.yaml of llama-swap (2026-08-22): a macro may stand in the commands and in the macros
behind it, a model's own before those of all.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvcalc.errors import SourceError

MACRO = re.compile(r"\$\{([A-Za-z0-9_-]{1,64})\}")

MOST_CHARACTERS = 100_000
"""Of a text with its macros: they can double it again and again."""


def containers(path: Path, document: Any) -> list[dict[str, Any]]:
    """Give each model's command and variables, as a container of compose has them.

    Raises:
        SourceError: a text is too large with its macros in it.
    """
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, dict):
        return []
    common = _macros(path, document, {})
    return [
        {
            "command": _command(path, model["cmd"], _macros(path, model, common)),
            "environment": model.get("env"),
        }
        for model in models.values()
        if isinstance(model, dict) and isinstance(model.get("cmd"), str)
    ]


def _command(path: Path, text: str, macros: Mapping[str, str]) -> str:
    """The words of a command without its comments."""
    lines = [line.strip() for line in _filled(path, text, macros).splitlines()]
    return " ".join(line.removesuffix("\\") for line in lines if not line.startswith("#"))


def _macros(path: Path, table: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    found = dict(known)
    macros = table.get("macros")
    for name, value in macros.items() if isinstance(macros, dict) else ():
        found[str(name)] = _filled(path, str(value), found)
    return found


def _filled(path: Path, text: str, macros: Mapping[str, str]) -> str:
    size = len(text) + sum(len(macros.get(match[1], "")) for match in MACRO.finditer(text))
    if size > MOST_CHARACTERS:
        raise SourceError.of(path, f"found a text of {size:,} characters with its macros")
    return MACRO.sub(lambda match: macros.get(match[1], match[0]), text)
