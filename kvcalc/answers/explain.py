"""How an engine arrives at its bytes, and the setting that would change them most."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kvcalc import engines
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.engines.server import writer
from kvcalc.errors import KvcalcError
from kvcalc.explanation import Explanation, Lever
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.engines.server import Server


def explain(
    model: Model,
    *,
    context: int | None = None,
    sequences: int = 1,
    window: int | None = None,
    engine: str = "ideal",
    settings: Settings | None = None,
    **given: Any,
) -> Explanation:
    """Derive an engine's bytes step by step; its str() is for people.

    `context` is tokens of one sequence, by default the model's maximum; settings are given as to
    `kvcalc.cost`.

    Raises:
        KvcalcError: as `kvcalc.estimate`.
    """
    if window is not None:
        model = model.with_window(window)
    if context is None:
        context = model.longest_context
    asked = request.named(settings, given)
    explanation = request.cost(model, engine, **asked).explain(context, sequences=sequences)
    return replace(explanation, lever=lever(model, engine, asked, context, sequences))


def lever(
    model: Model, engine: str, settings: Mapping[str, Any], context: int, sequences: int
) -> Lever | None:
    """Find the setting that would lower an engine's bytes most, among those worth trying.

    Raises:
        KvcalcError: the engine refuses the model or the settings as they are.
    """
    chosen = engines.find(engine)
    now = request.cost(model, engine, **settings)(context, sequences=sequences)
    found = []
    for name, values in chosen.levers.items():
        for value in values:
            try:
                cost = request.cost(model, engine, **{**settings, name: value})
                found.append((cost(context, sequences=sequences), name, value))
            except KvcalcError:  # this model cannot have it; the next setting may do
                continue
    if not found or min(found)[0] >= now:
        return None
    lowest, name, value = min(found)
    return Lever(name, value, _flag(chosen.server, name, value), lowest)


def _flag(server: "Server | None", setting: str, value: Any) -> str:
    """Write a setting as the engine's own flag, if its command line has one."""
    own = None if server is None else writer.flag(server, setting, value)
    return own or f"--set {setting}={value}"
