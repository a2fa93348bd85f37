"""The words of a command that goes through traces: a model, unless a line names it, and files."""

from collections.abc import Sequence
from pathlib import Path

from kvcalc.errors import RequestError

OF_A_MODEL = (".json", ".toml", ".gguf")
"""Endings of files that describe a model; no trace has them."""


def model_and_files(words: Sequence[str | None], of_line: str | None) -> tuple[str, list[str]]:
    """Part the words: the first is the model, unless a line names one and the word is a trace.

    Raises:
        RequestError: nothing names a model.
    """
    given = [word for word in words if word is not None]
    if of_line is not None and not (given and _is_model(given[0])):
        given = [of_line, *given]
    if not given:
        raise RequestError.about("MODEL", "missing; give a model, or --from a server's line")
    return given[0], given[1:]


def _is_model(word: str) -> bool:
    """Whether a word names a model rather than a trace."""
    from kvcalc.catalogue import models

    path = Path(word)
    if path.exists():
        return path.is_dir() or path.suffix in OF_A_MODEL
    return models.find(word) is not None
