"""What a file leaves to the class of its model type: other names of keys, and defaults.

The rows are data generated from transformers' configuration classes; the release is in the file.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from kvcalc.errors import SourceError, quote


class Family(NamedTuple):
    """A model type's row: `names` the class gives to keys, and its keys' `defaults`."""

    names: Mapping[str, str]
    defaults: Mapping[str, Any]


@cache
def _table() -> dict[str, Any]:
    file = resources.files(__package__).joinpath("families.json")
    table: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return table


SPELLINGS = {"glm5next": "glm5_next", "glm5next_text": "glm5_next_text"}
"""Model types that files spell otherwise than transformers does."""


def canonical(model_type: object) -> str | None:
    """The spelling of a model type; None of what is not a text."""
    return SPELLINGS.get(model_type, model_type) if isinstance(model_type, str) else None


def family(model_type: str) -> Family | None:
    """Find the row of a model type, or of the language model within it; None if it is unknown.

    Raises:
        SourceError: the model type has no language model.
    """
    rows = _table()["rows"]
    row = rows.get(model_type)
    if row is not None and "text" in row:
        row = rows.get(row["text"])
    if row is None and model_type in _table()["without_language_model"]:
        raise SourceError(f"model_type: {quote(model_type)} has no language model")
    return None if row is None else Family(row["names"], row["defaults"])


def language_type(model_type: str) -> str:
    """The model type of the language model within one, or its own."""
    held: str = _table()["rows"].get(model_type, {}).get("text", model_type)
    return held


def tied_by_default(model_type: str) -> bool | None:
    """Whether the class of a model that holds a language model ties its embedding; else None."""
    tied: bool | None = _table()["rows"].get(model_type, {}).get("tied")
    return tied


def vision_defaults(model_type: object) -> Mapping[str, Any]:
    """What a model type's class says of its tower where a file does not."""
    row = _table()["rows"].get(model_type, {}) if isinstance(model_type, str) else {}
    defaults: Mapping[str, Any] = row.get("vision", {})
    return defaults
