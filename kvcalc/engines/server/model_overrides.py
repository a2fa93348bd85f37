"""Flags that change a model's config.json in memory: --hf-overrides, --json-model-override-args."""

from collections.abc import Iterator
from typing import Any

from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.json_flags import table_of
from kvcalc.errors import RequestError, quote

STRETCH = ("rope_parameters", "rope_scaling")
"""Keys of a model's file by which tables of rotary positions may be longer than its positions."""

POSITIONS = (*STRETCH, "rope_theta", "mrope_section")
"""Keys of a model's file that say how positions are encoded: the longest context may depend on
them, no cache of a context does."""

SHAPES = ("head", "layer", "window", "chunk", "lora_rank", "state", "conv", "hidden_size")
"""Parts of the names of keys of a model's file that say what it caches."""


def read_overrides(flag: str, text: str, asked: Asked) -> None:
    """Read keys of the model's file that a flag overrides; those of its shape are refused.

    Raises:
        RequestError: it is not JSON, or changes what the model caches, which its file has to say.
    """
    for key in _leaves(table_of(flag, text)):
        if any(part in key for part in SHAPES):
            raise RequestError.about(
                "--from",
                f"{flag}: {quote(key)} may change what the model caches; kvcalc reads it from the "
                "model's file alone",
            )
        if key not in POSITIONS:
            asked.notes.append(f"{flag}: {quote(key)} is not read; the model's own file is")
            continue
        if key in STRETCH:
            asked.notes.append(
                f"{flag}: {quote(key)}: fit counts tables of positions as the file has them"
            )
        if asked.context is None:
            asked.notes.append(
                f"{flag}: {quote(key)} may change the longest context, which is the file's here"
            )


def _leaves(table: dict[str, Any]) -> Iterator[str]:
    """Name the keys of all tables inside, and those of positions whole."""
    for key, value in table.items():
        if isinstance(value, dict) and key not in POSITIONS:
            yield from _leaves(value)
        else:
            yield key
