"""A start-up log held against kvcalc's own figures: one verdict a printed figure."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from kvcalc.answers.check.settings import require_known, subject_of
from kvcalc.answers.check.verdict import AGREES, CANNOT, DIFFERS, Checked, Subject
from kvcalc.model import Model
from kvcalc.readers.logs.pattern import Found

__all__ = ["AGREES", "CANNOT", "DIFFERS", "Checked", "Subject", "check"]

MODULES = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llama.cpp": "llama_cpp",
    "ollama": "ollama",
    "tensorrt-llm": "tensorrt_llm",
}
"""The module that knows an engine's figures."""


def check(
    found: Sequence[Found], model: Model | None = None, settings: Mapping[str, Any] | None = None
) -> list[Checked]:
    """Hold every figure of a log against what the engine's rules give.

    Lines are those of `kvcalc.readers.logs`. A model or settings given come before those that the
    log names; context and sequences are among them.

    Raises:
        KvcalcError: a setting that the engine refuses.
    """
    engines = dict.fromkeys(line.engine for line in found)
    require_known(settings or {}, list(engines))
    rows: list[Checked] = []
    for engine in engines:
        lines = [line for line in found if line.engine == engine]
        module = import_module(f"kvcalc.answers.check.{MODULES[engine]}")
        rows += module.check(lines, subject_of(lines, model, settings or {}))
    return sorted(rows, key=lambda row: row.line)
