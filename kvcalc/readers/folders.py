"""Folders that are not a model's: what lies in them instead of a config.json."""

import json
from itertools import islice
from pathlib import Path

from kvcalc.errors import KvcalcError, SourceError, quote
from kvcalc.files import read_bytes

ADAPTER = "adapter_config.json"
"""The file of a LoRA adapter, which names its base (peft, PeftConfig.base_model_name_or_path)."""

MOST_BYTES = 1_000_000
MOST_FILES = 3


def refusal(folder: Path) -> SourceError:
    """Say what a folder without a config.json holds, and what to give instead."""
    found = _found(folder)
    return SourceError(
        f"{quote(str(folder), 300)} is a folder without a config.json; "
        + (found or "expected a preset's name, a model's folder or a file"),
        source=str(folder),
    )


def _found(folder: Path) -> str | None:
    if (folder / ADAPTER).exists():
        return f"it holds a LoRA adapter, expected its base model{_base(folder / ADAPTER)}"
    files = sorted(islice(folder.glob("*.gguf"), MOST_FILES))
    if files:
        listed = ", ".join(quote(file.name, 100) for file in files)
        return f"it holds {listed}, expected one of its files"
    return None


def _base(file: Path) -> str:
    """The base that an adapter names, if it does."""
    try:
        config = json.loads(read_bytes(file, MOST_BYTES))
    except (KvcalcError, ValueError, RecursionError):
        return ""
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    return f" {quote(base, 200)}" if isinstance(base, str) else ""
