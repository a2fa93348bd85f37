"""How an engine comes to its bytes, and the setting that would change them most."""

from collections.abc import Mapping
from typing import Any

from kvcalc import engines
from kvcalc.engines import request
from kvcalc.errors import KvcalcError
from kvcalc.explanation import Lever
from kvcalc.model import Model


def lever(
    model: Model, engine: str, settings: Mapping[str, Any], context: int, sequences: int
) -> Lever | None:
    """Find the setting that would lower an engine's bytes most, of those worth trying.

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
            except KvcalcError:  # not for this model: the next may be
                continue
    if not found or min(found)[0] >= now:
        return None
    lowest, name, value = min(found)
    return Lever(name, value, _flag(engine, name, value), lowest)


def _flag(engine: str, setting: str, value: Any) -> str:
    """Spell a setting as the engine's own flag, where its command line has one."""
    command = engines.find(engine).command
    if command is None:
        return f"--set {setting}={value}"
    switches = [flag for flag, gives in command.switches.items() if gives == (setting, value)]
    valued = [f"{flag} {value}" for flag, gives in command.values.items() if gives == setting]
    flags = [flag for flag in switches + valued if flag.startswith("--")]
    return next(iter(flags), f"--set {setting}={value}")
